"""Web search run here: engines behind one contract, and the loop that lets any model use them."""
