import hashlib
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources import similarity
from sources.similarity import Cluster

ENGLISH = """
the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not what
all were we when your can said there use an each which she do how their if will up other about out many then them these
so some her would make like him into time has look two more write go see number no way could people my than first water
been call who oil its now find long down day did get come made may part children garden kitchen neighbour sister doctor
police money secret letter angry weather football music window recipe ticket station holiday medicine breakfast school
"""
RUSSIAN = """
и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой весь год от так о для ты же все тот
мочь вы человек такой его сказать только или еще бы себя один как уже до время если сам когда другой вот говорить наш
мой знать стать при чтобы дело жизнь кто первый очень два день её новый рука даже во со раз где там под можно ну какой
после их работа без самый потом надо хотеть ли слово идти большой должен место иметь ничто сейчас тут лицо каждый друг
"""
CHINESE = (
    "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过家十用发天"
    "如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心前面又定见只主没公从知使动向实现把样者开手两长理话间问水"
)


def clusters_of(texts: Sequence[str], threshold: float = 0.7, order: Sequence[int] | None = None) -> list[Cluster]:
    """Clusters of texts whose ids are their places."""
    signed = list(enumerate(similarity.signatures(texts)))
    given_in = [signed[place] for place in order or range(len(signed))]
    return list(similarity.clusters(given_in, threshold, lambda ids: {row: texts[row] for row in ids}))


def joined(clusters: Sequence[Cluster]) -> dict[int, int]:
    return {member: cluster.representative for cluster in clusters for member, _ in cluster.members}


def originals(words: Sequence[str], blank: str, number: int, length: int = 40) -> list[str]:
    chance = random.Random(7)
    return [blank.join(chance.choices(words, k=length)) for _ in range(number)]


def with_typos(text: str, number: int, chance: random.Random) -> str:
    letters = list(text)
    for place in chance.sample(range(len(letters)), number):
        letters[place] = chance.choice(text)
    return "".join(letters)


def with_other_words(text: str, number: int, chance: random.Random) -> str:
    words = text.split()
    for place in chance.sample(range(len(words)), number):
        words[place] = chance.choice(words)
    return " ".join(words)


def written_otherwise(text: str, number: int, chance: random.Random) -> str:
    return text.upper().replace(" ", ",  ") + "?!" * number


def with_a_sentence(text: str, number: int, chance: random.Random) -> str:
    return text + ". Answer in one short sentence." * number


EDITS: dict[str, tuple[Callable[[str, int, random.Random], str], int]] = {
    "case and punctuation": (written_otherwise, 2),
    "one typo": (with_typos, 1),
    "three typos": (with_typos, 3),
    "two other words": (with_other_words, 2),
    "a sentence added": (with_a_sentence, 1),
}


@pytest.mark.parametrize("kind", EDITS)
def test_it_finds_what_was_edited_a_little_and_nothing_else(kind: str) -> None:
    chance = random.Random(11)
    texts = originals(ENGLISH.split(), " ", 200)
    edit, number = EDITS[kind]
    found = joined(clusters_of([*texts, *(edit(text, number, chance) for text in texts)]))
    assert found.items() <= {200 + row: row for row in range(200)}.items()
    assert len(found) >= 196


@pytest.mark.parametrize(("words", "blank"), [(RUSSIAN.split(), " "), (list(CHINESE), "")], ids=["Russian", "Chinese"])
def test_it_finds_copies_in_scripts_of_several_bytes_and_without_blanks(words: Sequence[str], blank: str) -> None:
    chance = random.Random(11)
    texts = originals(words, blank, 200)
    found = joined(clusters_of([*texts, *(with_typos(text, 2, chance) for text in texts)]))
    assert found.items() <= {200 + row: row for row in range(200)}.items()
    assert len(found) >= 196


@pytest.mark.parametrize("threshold", [0.6, 0.7, 0.8, 0.9])
def test_it_finds_nearly_all_pairs_above_the_threshold_and_none_below(threshold: float) -> None:
    chance = random.Random(13)
    texts = originals(ENGLISH.split(), " ", 400)
    copies = [with_typos(text, 1 + row % 12, chance) for row, text in enumerate(texts)]
    similar = {
        400 + row: row
        for row, pair in enumerate(zip(texts, copies, strict=True))
        if similarity.similarity(*pair) >= threshold
    }
    assert 20 < len(similar) < 400
    found = joined(clusters_of([*texts, *copies], threshold))
    assert found.items() <= similar.items()
    assert len(found) >= 0.98 * len(similar)


def test_it_measures_the_share_of_common_shingles() -> None:
    # abcdef, bcdefg and four that end the text, of which a longer or shorter end changes five.
    assert similarity.similarity("abcdefg", "abcdefg") == 1
    assert similarity.similarity("abcdefg", "abcdefgh") == 2 / 13
    assert similarity.similarity("abcdefg", "hijklmn") == 0
    assert similarity.similarity("", "") == 1
    assert similarity.similarity("", "a") == 0


def test_a_signature_is_a_function_of_the_normalised_text_alone() -> None:
    texts = ["Hello,  WORLD!", "ﬁne", "!?", "", "é", "\0", "\ud800", "😀", "क्षमा"]
    together = list(similarity.signatures(texts))
    assert together == [signature for text in texts for signature in similarity.signatures([text])]
    assert {len(signature) for signature in together} == {similarity.SIGNATURE_BYTES}
    assert len(set(together)) == len(texts) - 1  # NUL is no text
    assert list(similarity.signatures(["hello world", "FINE", "!?", "", "e\u0301"])) == together[:5]


def test_signatures_of_another_release_of_the_library_are_noticed() -> None:
    signed = b"".join(similarity.signatures(["How do I bake a cake?", "如何烤蛋糕", "a", ""]))
    assert hashlib.sha256(signed).hexdigest() == "7db36140ff2801df8700a6c3703415485ac3aa4a1101eedb0f2535b9cace7904"


def test_it_keeps_vowel_signs_and_emoji_but_no_punctuation() -> None:
    assert similarity.normalised("  «Ünï»…\n(THE) end.") == "ünï the end"
    assert similarity.normalised("किताब, नहीं।") == "किताब नहीं।"
    assert similarity.normalised("¿Qué? 😀") == "qué 😀"
    assert similarity.normalised(" !  ?") == "! ?"


@pytest.mark.parametrize("threshold", [0.6, 1])
def test_identical_texts_are_one_cluster_however_short(threshold: float) -> None:
    texts = ["a", "b", "", "!!", "a", "如何", "b", "", "A.", "如何", "!!"]
    clusters = clusters_of(texts, threshold)
    assert clusters == [
        Cluster(0, [(4, 1.0), (8, 1.0)]),
        Cluster(1, [(6, 1.0)]),
        Cluster(2, [(7, 1.0)]),
        Cluster(3, [(10, 1.0)]),
        Cluster(5, [(9, 1.0)]),
    ]


def test_a_chain_of_similar_texts_does_not_drag_unlike_texts_together() -> None:
    words = originals(ENGLISH.split(), " ", 1)[0].split()
    chance = random.Random(3)
    chain = []
    for place in [*range(len(words))]:
        words[place] = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6))
        chain.append(" ".join(words))
    clusters = clusters_of(chain)
    assert len(clusters) > 2
    for cluster in clusters:
        for member, similar in cluster.members:
            assert similar == similarity.similarity(chain[cluster.representative], chain[member]) >= 0.7


def test_texts_of_one_template_cost_no_square_of_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    template = originals(ENGLISH.split(), " ", 1)[0]
    texts = [with_other_words(template, 8, chance) for _ in range(2000)]
    compared = 0
    agreeing = similarity._agreeing

    def counted(slots: object, ones: similarity.Integers, others: similarity.Integers) -> object:
        nonlocal compared
        compared += len(ones)
        return agreeing(slots, ones, others)  # type: ignore[arg-type]

    monkeypatch.setattr(similarity, "_agreeing", counted)
    clusters_of(texts, 0.9)
    limit = similarity.PASSES * similarity.BANDS * similarity.LEADERS
    assert len(texts) < compared <= limit * len(texts)


def test_copies_of_one_text_are_read_and_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(similarity, "_agreeing")
    assert len(clusters_of(["I agree to the terms of service."] * 5000)[0].members) == 4999


def test_it_asks_for_few_texts_at_a_time() -> None:
    texts = originals(ENGLISH.split(), " ", 500)
    texts += [text + " thanks" for text in texts]
    asked: list[int] = []

    def texts_of(ids: Sequence[int]) -> dict[int, str]:
        asked.append(len(ids))
        return {row: texts[row] for row in ids}

    signed = enumerate(similarity.signatures(texts))
    assert len(list(similarity.clusters(signed, 0.7, texts_of))) == 500
    assert max(asked) <= 400
    assert sum(asked) >= 1000


def test_a_text_of_200_000_characters_is_hashed_and_found() -> None:
    long = " ".join(random.Random(1).choices(ENGLISH.split(), k=50_000))[:200_000]
    other = " ".join(random.Random(2).choices(RUSSIAN.split(), k=50_000))[:200_000]
    assert joined(clusters_of([long, other, long[:190_000], other.upper()], 0.9)) == {2: 0, 3: 1}


def test_no_texts_make_no_clusters() -> None:
    assert clusters_of([]) == []
    assert clusters_of(["alone"]) == []


@pytest.mark.parametrize("threshold", [0.59, 1.01, float("nan")])
def test_it_refuses_a_threshold_at_which_pairs_would_be_missed(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"give one from 0\.6 to 1"):
        clusters_of(["a", "a"], threshold)


some_words = st.lists(st.sampled_from(["cake", "bomb", "Bake", "how", "the", "如何", "?", "😀", "कि"]), max_size=12)
some_texts = st.lists(st.one_of(some_words.map(" ".join), st.text(max_size=20)), max_size=25)


@settings(max_examples=60)
@given(some_texts, st.sampled_from([0.6, 0.75, 1]), st.randoms(use_true_random=False))
def test_clusters_are_stars_around_the_smallest_id_in_any_order(
    texts: list[str], threshold: float, chance: random.Random
) -> None:
    texts = texts + texts[:3]
    clusters = clusters_of(texts, threshold)
    for cluster in clusters:
        for member, similar in cluster.members:
            assert cluster.representative < member
            assert similar == similarity.similarity(texts[cluster.representative], texts[member]) >= threshold
    found = joined(clusters)
    kept = [cluster.representative for cluster in clusters]
    assert kept == sorted({*kept} - {*found})
    assert sum(len(cluster.members) for cluster in clusters) == len(found)
    first = {text: texts.index(text) for text in texts}
    for row, text in enumerate(texts):
        assert found.get(row, row) == found.get(first[text], first[text])
    order = list(range(len(texts)))
    chance.shuffle(order)
    assert clusters_of(texts, threshold, order) == clusters
