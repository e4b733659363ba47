"""What is asked of the database for a release: votes up to a cut, as one row for each line, and what is beside them.

Statements are made of constants; what depends on the selection is put in where braces are doubled, by ``records``.
"""

# Every line is fetched, so a plan that gives the first ones soon is the wrong one. Without workers: PostgreSQL likes to
# let each of them count all votes. Without compilation: it cannot be made good in a query of seconds.
PLANNING = """
    SET LOCAL cursor_tuple_fraction = 1; SET LOCAL work_mem = '96MB';
    SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off
"""

# Text formats of COPY double the backslashes of JSON, but for this one, whose marks are in no JSON.
COPY = "COPY ({}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"

# The answers up to the cut, in some units, that are the last word of their author and came before the places had been
# filled.
_STANDING = """
    annotate_annotation vote JOIN {} unit ON unit.id = vote.unit_id
    LEFT JOIN annotate_annotation later
      ON later.supersedes_id = vote.id AND later.supersedes_id IS NOT NULL AND later.id <= %(cut)s
    WHERE unit.campaign_id = ANY(%(campaigns)s) AND vote.id <= %(cut)s AND vote.choice_id IS NOT NULL
      AND NOT vote.surplus AND later.id IS NULL
"""

STANDING = _STANDING.format("annotate_unit")

AMONG = "AND unit.instruction_id = ANY(%(among)s)"

# Below which every digest is: none is as long.
BEHIND_ALL = b"\xff" * 65

# Lines in their order are made in parts, each by a process of the database of its own. Its units are found before their
# votes are, or the planner looks at all votes for each part.
UNITS_OF_PART = """(
    SELECT unit.id, unit.instruction_id, unit.campaign_id
    FROM annotate_unit unit JOIN sources_instruction part ON part.id = unit.instruction_id
    WHERE unit.campaign_id = ANY(%(campaigns)s) {among} AND part.digest >= %(from_digest)s AND part.digest < %(before)s
    OFFSET 0
)"""

# Those of a person who answered later on the same instruction in another of the campaigns: they are one reader, and the
# later answer counts. Votes without an annotator are each a reader of their own.
_REPEATED = """
    SELECT id FROM (
        SELECT vote.id, row_number() OVER (PARTITION BY unit.instruction_id, vote.annotator_id ORDER BY vote.id DESC)
        FROM {standing} AND vote.annotator_id IS NOT NULL AND unit.instruction_id IN (
            SELECT instruction_id FROM {units} placed WHERE campaign_id = ANY(%(campaigns)s)
            GROUP BY instruction_id HAVING count(*) > 1)
    ) answer WHERE row_number > 1
"""
REPEATED = _REPEATED.format(standing=STANDING, units="annotate_unit")

# Of one part: the same instruction is in no other.
_REPEATED_IN_PART = _REPEATED.format(standing=_STANDING.format(UNITS_OF_PART), units=UNITS_OF_PART)

# Within one campaign there are none.
NONE = "SELECT WHERE false"

_UNREPEATED = "AND NOT EXISTS (SELECT 1 FROM ({}) repeated WHERE repeated.id = vote.id)"
UNREPEATED, UNREPEATED_IN_PART = _UNREPEATED.format(REPEATED), _UNREPEATED.format(_REPEATED_IN_PART)

# Options by the ids of their labels, of which the first is subtracted; what is voted for otherwise has no place.
OPTION = "(%(options)s::int8[])[vote.choice_id - %(first)s::int8]"
SIMULATED = (
    "CASE WHEN vote.annotator_id IN (SELECT id FROM annotate_annotator WHERE kind = 'simulated') THEN {} ELSE 0 END"
)
CAMPAIGN = "array_position(%(campaigns)s::int8[], unit.campaign_id) - 1"
TAG = "CASE vote.tags ->> {code} WHEN 'true' THEN {yes} WHEN 'false' THEN {no} ELSE 0 END"

# The sources with an unknown licence, and whatever was made of them: their own licence is a copy of when it was known.
# An array, so that PostgreSQL finds them once and not for every instruction.
WITHHELD = """
    ARRAY(
        WITH RECURSIVE withheld AS (
            SELECT id FROM sources_source WHERE license = %(unknown)s
            UNION
            SELECT made.id FROM sources_source made JOIN withheld ON made.augments_id = withheld.id
        )
        SELECT id FROM withheld
    )
"""

# All others.
LICENSED = f"ARRAY(SELECT id FROM sources_source WHERE id <> ALL({WITHHELD}))"  # noqa: S608 - made of constants

# The sources with a known licence that gave an instruction, up to a moment if there is one; an instruction without them
# is not published.
ORIGIN = f"""
    SELECT FROM sources_source licensed
    JOIN sources_provenance given ON given.source_id = licensed.id AND given.instruction_id = answer.instruction_id
    WHERE licensed.id <> ALL({WITHHELD})
      AND (answer.given_until IS NULL OR given.created_at <= answer.given_until)
"""

# Neither set aside nor quarantined nor taken down.
AVAILABLE = """
    EXISTS (SELECT 1 FROM sources_instruction said WHERE said.id = answer.instruction_id AND said.state = 0)
"""

# Where personal information was found in an instruction.
PERSONAL = """
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
        'turn', found.turn, 'start', found.start, 'end', found."end", 'kind', found.kind) ORDER BY turn, start), '[]')
     FROM sources_personalfinding found WHERE found.instruction_id = instruction.id)
"""

HAS_PERSONAL = "EXISTS (SELECT 1 FROM sources_personalfinding found WHERE found.instruction_id = instruction.id)"

# What somebody had flagged at the moment of the cut, in one of the campaigns, and no curator had closed. A snapshot of
# before moments were kept has none.
FLAGGED = """
    instruction.id IN (
        SELECT unit.instruction_id FROM annotate_flag flag JOIN annotate_unit unit ON unit.id = flag.unit_id
        WHERE unit.campaign_id = ANY(%(campaigns)s) AND flag.created_at <= %(cut_at)s::timestamptz
          AND (flag.closed_at IS NULL OR flag.closed_at > %(cut_at)s::timestamptz))
"""

# Of each instruction by whose decision it is published, as the rows stood at the moment of the cut: of those on a unit
# the newest tells. Where it is decided in several of the campaigns, the later decision counts. As hexadecimal digits,
# since the words of a label set may hold what parts of a key are told apart by.
DECIDED = """
    SELECT DISTINCT ON (unit.instruction_id) unit.instruction_id,
           encode(convert_to(jsonb_build_object(
               'decision', decided.id, 'adjudicators', newest.alike, 'because', decided.cause, 'label', decided.label,
               'tags', decided.tags)::text, 'UTF8'), 'hex') AS told
    FROM (
        SELECT DISTINCT ON (unit_id) unit_id, settled_by_id, alike FROM annotate_decision
        WHERE decided_at <= %(cut_at)s::timestamptz ORDER BY unit_id, id DESC
    ) newest
    JOIN annotate_decision decided ON decided.id = newest.settled_by_id
    JOIN annotate_unit unit ON unit.id = newest.unit_id AND unit.campaign_id = ANY(%(campaigns)s)
    ORDER BY unit.instruction_id, decided.id DESC
"""

# One row for each line of a part, in its order. What the line has in common with many others is one column, the key:
# the votes in rising order, whether it is flagged, what was decided, then the facts. It and the turns are JSON or
# numbers, so that no separator can be in them; the turns are those of jsonb, which the database escapes as a line does.
# Of several sources the first in order counts. An instruction with votes that has no line is there without turns, to be
# counted.
LINES = f"""
    SELECT CASE WHEN instruction.state = 0 AND source_id IS NOT NULL THEN instruction.turns END, {{personal}},
           encode(instruction.digest, 'hex'), encode(people, 'hex'),
           concat_ws(',', encode(ballots, 'hex'), is_flagged::int, coalesce(decided, ''),
                     (instruction.parent_id IS NOT NULL)::int, ({{has_personal}})::int,
                     (instruction.state = 0)::int, coalesce(source_id, 0), to_json(format), to_json(language)),
           to_json("row"), {{parent}}, {{root}}, {{number}}
    FROM (
        SELECT DISTINCT ON (instruction.digest) instruction.id, instruction.digest, instruction.turns,
               instruction.state, instruction.language, instruction.parent_id, instruction.root_id,
               ballots, people, given.source_id, given.row,
               coalesce(augmentation.format, '') AS format, {FLAGGED} AS is_flagged,
               decision.told AS decided
        FROM (
            SELECT instruction_id, string_agg(int8send(ballot), '' ORDER BY ballot) AS ballots,
                   string_agg(int8send(annotator), '' ORDER BY ballot) AS people
            FROM (
                SELECT unit.instruction_id, {{ballot}} AS ballot, coalesce(vote.annotator_id, 0) AS annotator
                FROM {_STANDING.format(UNITS_OF_PART)} {{unrepeated_in_part}} AND {OPTION} IS NOT NULL
                OFFSET 0
            ) vote
            GROUP BY instruction_id
        ) answer
        JOIN sources_instruction instruction ON instruction.id = answer.instruction_id
          AND instruction.digest >= %(from_digest)s AND instruction.digest < %(before)s
        LEFT JOIN (sources_provenance given
                   JOIN sources_source source ON source.id = given.source_id AND source.id = ANY({LICENSED}))
          ON given.instruction_id = instruction.id {{given}}
        LEFT JOIN sources_importrun augmentation
          ON augmentation.id = given.run_id AND augmentation.augments_id IS NOT NULL
        LEFT JOIN ({DECIDED}) decision ON decision.instruction_id = instruction.id
        ORDER BY instruction.digest, source.precedence, source.id
        OFFSET 0
    ) instruction
"""  # noqa: S608 - made of constants

GIVEN = "AND given.created_at <= %(given_until)s::timestamptz"

# The counted votes as numbers, three for each, in stretches of instructions.
VOTES = f"""
    SELECT string_agg(int8send(unit.instruction_id) || int8send(coalesce(vote.annotator_id, 0))
                      || int8send({OPTION} >> %(shift)s), '')
    FROM {STANDING} {{among}} {{unrepeated}} AND {OPTION} IS NOT NULL {{of_gold}}
    GROUP BY unit.instruction_id >> 12
"""  # noqa: S608 - made of constants

N_VOTES = f"SELECT count(*) FROM {STANDING} {{among}}"  # noqa: S608 - made of constants

GOLD = "SELECT id, encode(digest, 'hex') FROM sources_instruction WHERE digest = ANY(%(gold)s)"

OF_GOLD = "AND unit.instruction_id IN (SELECT id FROM sources_instruction WHERE digest = ANY(%(gold)s))"

# Looked up for the few that have one: a join would read all instructions for it.
RELATIVE = """
    CASE WHEN instruction.{key} IS NOT NULL
         THEN (SELECT encode(digest, 'hex') FROM sources_instruction relative WHERE relative.id = instruction.{key}) END
"""

KINDS = "SELECT kind, count(*) FROM annotate_annotator WHERE id = ANY(%(people)s) GROUP BY kind"

# Labels by the codes of the options, in any revision and set.
OPTIONS = "SELECT id, code FROM labels_label WHERE code = ANY(%(codes)s) ORDER BY id"

# The answers up to the cut that are not counted, by why.
UNCOUNTED = """
    SELECT 'surplus', count(*) FROM annotate_annotation vote JOIN annotate_unit unit ON unit.id = vote.unit_id
    WHERE unit.campaign_id = ANY(%(campaigns)s) AND vote.id <= %(cut)s AND vote.choice_id IS NOT NULL AND vote.surplus
    UNION ALL
    SELECT 'replaced', count(*) FROM annotate_annotation later
    JOIN annotate_annotation vote ON vote.id = later.supersedes_id JOIN annotate_unit unit ON unit.id = vote.unit_id
    WHERE later.supersedes_id IS NOT NULL AND later.id <= %(cut)s AND unit.campaign_id = ANY(%(campaigns)s)
      AND vote.choice_id IS NOT NULL AND NOT vote.surplus
    UNION ALL
    SELECT 'repeated', count(*) FROM ({repeated}) repeated
"""

# Of the instructions that were placed in the campaigns, how many each take-down removed.
TAKE_DOWNS = """
    SELECT stone.take_down_id, count(*) FROM sources_instruction gone
    JOIN sources_tombstone stone ON stone.digest = gone.digest
    WHERE gone.state = 3 AND EXISTS (
        SELECT 1 FROM annotate_unit unit WHERE unit.instruction_id = gone.id AND unit.campaign_id = ANY(%(campaigns)s))
    GROUP BY stone.take_down_id ORDER BY stone.take_down_id
"""

SOURCES = f"""
    SELECT id, name, revision, license, address, attribution FROM sources_source WHERE id = ANY({LICENSED})
"""  # noqa: S608 - made of constants
