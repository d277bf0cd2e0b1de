"""Personal data in prompts and dialogs, found and masked as in any text: `pretrain.personal_data`."""

from annotation.privacy.messages import mask_messages
from pretrain.personal_data import Finding, Kind, Masker, find

__all__ = ["Finding", "Kind", "Masker", "find", "mask_messages"]
