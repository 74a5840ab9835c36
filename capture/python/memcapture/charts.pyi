# SPDX-License-Identifier: MIT
from os import PathLike

from .classtracker_stats import Stats

def tracker_timespace(filename: str | PathLike[str], stats: Stats) -> None: ...
