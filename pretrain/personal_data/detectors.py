"""All detectors together: what they find in a text, without overlaps. Linear in the text's length.

Own patterns, for the libraries that do this want a language model (Presidio: spaCy) or know one kind
alone; each pattern and check names its source where it stands. Names of people and places are not found.
"""

from pretrain.personal_data.addresses import emails, ip_addresses
from pretrain.personal_data.credentials import credentials
from pretrain.personal_data.finding import Finding
from pretrain.personal_data.numbers import cards, cn_ids, ibans, phones, us_ssns

DETECTORS = (credentials, ibans, cn_ids, cards, emails, us_ssns, ip_addresses, phones)
"""The surer first: where two find the same characters, the earlier one is right."""


def find(text: str) -> list[Finding]:
    """The personal data of the text, in the order of the text."""
    found: list[Finding] = []
    taken = bytearray(len(text))
    for detector in DETECTORS:
        for finding in detector(text):
            if not any(taken[finding.start : finding.end]):
                taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
                found.append(finding)
    return sorted(found, key=lambda finding: finding.start)
