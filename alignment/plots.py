"""Diagrams with axes for the pages, which `_plot.html` shows: `pretrain.plots`, which programs use, too."""

from pretrain.plots import Axis as Axis
from pretrain.plots import DrawnLine as DrawnLine
from pretrain.plots import DrawnPoint as DrawnPoint
from pretrain.plots import Line as Line
from pretrain.plots import Plot as Plot
from pretrain.plots import Point as Point
from pretrain.plots import Tick as Tick
from pretrain.plots import fitted_axis as fitted_axis
from pretrain.plots import plot as plot
