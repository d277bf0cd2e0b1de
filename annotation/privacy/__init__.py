"""Personal data in texts: detectors by kind, and placeholders in their stead. Pure, and without a model."""

from annotation.privacy.detectors import find
from annotation.privacy.finding import Finding, Kind
from annotation.privacy.masking import Masker, mask_messages

__all__ = ["Finding", "Kind", "Masker", "find", "mask_messages"]
