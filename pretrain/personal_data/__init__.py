"""Personal data in texts: detectors by kind, and placeholders in their stead. Pure, and without a model."""

from pretrain.personal_data.detectors import find
from pretrain.personal_data.finding import Finding, Kind
from pretrain.personal_data.masking import Masker

__all__ = ["Finding", "Kind", "Masker", "find"]
