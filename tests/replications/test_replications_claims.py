"""What every claim of every paper tells a reader."""

import re

import pytest

from common.launch.discovery import load_papers

CLAIMS = [
    pytest.param(claim, id=f"{paper.name}-{claim.id}")
    for paper in load_papers().values()
    for claim in paper.claims
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_says_where_it_stands_in_words_a_reader_can_follow(claim):
    assert claim.source and claim.source != "text"
    for text in (claim.text, claim.source):
        assert not re.search(r"\bspec\b", text), "the notes are not part of the repository"
        assert not text.endswith(".")
