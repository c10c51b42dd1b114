"""The simulated vendors, by profile name. The first is the default of `dragoman simulate`."""

from __future__ import annotations

from dragoman.simulator.vendor import Vendor
from dragoman.simulator.vendors.anthropic import ANTHROPIC
from dragoman.simulator.vendors.deepseek import DEEPSEEK
from dragoman.simulator.vendors.minimax import MINIMAX
from dragoman.simulator.vendors.moonshot import MOONSHOT
from dragoman.simulator.vendors.openai import OPENAI
from dragoman.simulator.vendors.xiaomi import XIAOMI
from dragoman.simulator.vendors.zhipu import ZHIPU

VENDORS: dict[str, Vendor] = {
    vendor.id: vendor for vendor in (XIAOMI, MINIMAX, DEEPSEEK, ZHIPU, MOONSHOT, OPENAI, ANTHROPIC)
}
