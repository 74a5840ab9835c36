# SPDX-License-Identifier: MIT
"""Drawings of statistics."""

import os

__all__ = ["tracker_timespace"]


def tracker_timespace(filename, stats):
    """Draws memory and tracked classes over time, from a Stats, to a file.

    PNG, PDF or SVG, by the ending of `filename`; another one is a ValueError, and so are
    statistics in which there is nothing to draw.
    """
    stats._log().chart(os.fspath(filename))
