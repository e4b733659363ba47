-- Pattern tables that follow the votes: annotate/tallies.py calls annotate_fold and says the contract, the models of
-- annotate/models/tallies.py say what the tables hold.
--
-- Whatever changes what counts on a unit writes the unit's number into a queue in the same transaction: a bare insert,
-- which waits for nobody. A fold takes numbers out, counts these units anew and moves what differs from last time. So it
-- may run at any time, twice, or after a crash: what it did not commit is still in the queue.
--
-- Migrations load this file. After a change write another that loads it anew; a test compares the database with it.

-- After statements on annotate_annotation and annotate_unit; `changed` are their rows.
CREATE OR REPLACE FUNCTION annotate_queue_units() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'annotate_unit' THEN
        INSERT INTO annotate_tallyqueue (unit_id) SELECT id FROM changed;
    ELSE
        INSERT INTO annotate_tallyqueue (unit_id) SELECT unit_id FROM changed;
    END IF;
    RETURN NULL;
END $$;

-- After an instruction is withdrawn, comes back, or is said to be in another language.
CREATE OR REPLACE FUNCTION annotate_queue_instruction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotate_tallyqueue (unit_id) SELECT id FROM annotate_unit WHERE instruction_id = NEW.id;
    RETURN NULL;
END $$;

-- After a campaign goes on with another revision of its label set. Revisions share the options; where the tags are the
-- same too, nothing changes.
CREATE OR REPLACE FUNCTION annotate_queue_campaign() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF ARRAY(SELECT kind || code FROM labels_label WHERE label_set_id = OLD.label_set_id ORDER BY position)
       <> ARRAY(SELECT kind || code FROM labels_label WHERE label_set_id = NEW.label_set_id ORDER BY position)
    THEN
        INSERT INTO annotate_tallyqueue (unit_id) SELECT id FROM annotate_unit WHERE campaign_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;

-- Takes up to so many numbers out of the queue, brings the tables up to date with those units, and returns how many; 0
-- if there is nothing to do, or somebody else is at it. Only this function writes the tables; of two at once the second
-- returns at once, so nothing is ever waited for. Every row that it locks is one of these tables.
--
-- Counted is what annotate_counted says (counted.sql), written out: the tips of the chains that are answers and not
-- surplus, on instructions that are available; for options that the campaign's label set has (by code: its revisions
-- share them).
--
-- Tables that were filled a moment ago have no statistics yet, and the planner would read them whole for every number.
CREATE OR REPLACE FUNCTION annotate_fold(most integer) RETURNS integer LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    taken integer;
    units bigint[];
    ledger bigint[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('annotate_fold')) THEN RETURN 0; END IF;
    -- The next statement sees all that was committed before it began: an earlier fold, and each change with its number.
    WITH gone AS (
        DELETE FROM annotate_tallyqueue
        WHERE id IN (SELECT id FROM annotate_tallyqueue ORDER BY id LIMIT most) RETURNING unit_id
    )
    SELECT count(*), array_agg(DISTINCT unit_id) INTO taken, units FROM gone;
    IF taken = 0 THEN RETURN 0; END IF;

    -- The sources in the order in which a snapshot asks for the one that gave an instruction: first those with a known
    -- licence that are made of none with an unknown one.
    WITH RECURSIVE withheld AS (
        SELECT id FROM sources_source WHERE license = 'unknown'
        UNION
        SELECT made.id FROM sources_source made JOIN withheld ON made.augments_id = withheld.id
    )
    SELECT array_agg(id ORDER BY id IN (SELECT id FROM withheld), precedence, id) INTO ledger FROM sources_source;

    -- Each step is told to be taken by itself: the planner knows nothing of how few units there are, and would join all
    -- units of a campaign with what is known of the campaign first.
    WITH placed AS MATERIALIZED (
        SELECT placed.id AS unit, placed.campaign_id AS campaign, said.id AS instruction,
               split_part(said.language, '-', 1) AS language, said.parent_id IS NOT NULL AS is_augmented
        FROM unnest(units) AS one(unit) JOIN annotate_unit placed ON placed.id = one.unit
        JOIN sources_instruction said ON said.id = placed.instruction_id AND said.state = 0
    ), place AS MATERIALIZED (
        SELECT campaign.id, label_set.ordinal,
               array_agg(label.code ORDER BY label.position) FILTER (WHERE label.kind = 'option') AS options,
               coalesce(array_agg(label.code ORDER BY label.position) FILTER (WHERE label.kind = 'tag'), '{}') AS tags
        FROM annotate_campaign campaign
        JOIN labels_labelset label_set ON label_set.id = campaign.label_set_id
        JOIN labels_label label ON label.label_set_id = label_set.id
        WHERE campaign.id IN (SELECT campaign FROM placed)
        GROUP BY campaign.id, label_set.ordinal
    ), answer AS MATERIALIZED (
        SELECT placed.unit, placed.campaign, said.id, said.annotator_id AS voter, said.choice_id AS choice, said.tags,
               said.created_at AS moment
        FROM placed JOIN annotate_annotation said ON said.unit_id = placed.unit
        WHERE NOT said.surplus AND said.choice_id IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id)
    ), vote AS (
        SELECT answer.unit, answer.id, answer.voter, answer.moment,
               array_position(place.options, label.code) - 1 AS option,
               coalesce(tagged.yes, 0) AS yes, coalesce(tagged.answered, 0) AS answered
        FROM answer JOIN place ON place.id = answer.campaign
        JOIN labels_label label ON label.id = answer.choice AND label.code = ANY(place.options)
        LEFT JOIN LATERAL (
            SELECT sum(1 << (tag.at - 1)::int) FILTER (WHERE answer.tags -> tag.code = 'true')::int AS yes,
                   sum(1 << (tag.at - 1)::int)::int AS answered
            FROM unnest(place.tags) WITH ORDINALITY AS tag(code, at) WHERE answer.tags ? tag.code
        ) tagged ON answer.tags <> '{}'
    ), tally AS MATERIALIZED (
        SELECT unit, count(*) AS votes, date_trunc('week', max(moment) AT TIME ZONE 'UTC')::date AS week,
               array_agg(option ORDER BY option) AS base,
               array_agg(voter ORDER BY voter, id) AS voters,
               array_agg(option ORDER BY voter, id) AS choices,
               CASE WHEN bit_or(answered) > 0 THEN array_agg(yes ORDER BY voter, id) ELSE '{}' END AS yes,
               CASE WHEN bit_or(answered) > 0 THEN array_agg(answered ORDER BY voter, id) ELSE '{}' END AS answered,
               sum(option) AS total, sum(option * option) AS squares
        FROM vote GROUP BY unit
    ), after AS MATERIALIZED (
        SELECT tally.unit, placed.campaign, place.tags, origin.source, placed.language, placed.is_augmented, tally.week,
               tally.base, tally.voters, tally.choices, tally.yes, tally.answered,
               CASE WHEN votes > 1 AND place.ordinal THEN
                        2 * (votes * squares - total * total)::float / (votes * (votes - 1) * greatest(last * last, 1))
                    WHEN votes > 1 THEN 1 - (
                        SELECT sum(same * (same - 1))::float / (votes * (votes - 1))
                        FROM (SELECT count(*) AS same FROM unnest(base) AS given(option) GROUP BY given.option) counts)
               END AS disagreement,
               last > 0 AND last = ANY(base) AS is_severe
        FROM tally JOIN placed ON placed.unit = tally.unit JOIN place ON place.id = placed.campaign
        CROSS JOIN LATERAL (SELECT cardinality(place.options) - 1 AS last) scale
        LEFT JOIN LATERAL (
            SELECT given.source_id AS source FROM unnest(ledger) WITH ORDINALITY AS entry(source, rank)
            JOIN sources_provenance given
              ON given.source_id = entry.source AND given.instruction_id = placed.instruction
            ORDER BY entry.rank LIMIT 1
        ) origin ON true
    ), before AS MATERIALIZED (
        SELECT one.unit, slice.campaign_id AS campaign, slice.tags, slice.source_id AS source, slice.language,
               slice.is_augmented, slice.week, stored.base, stored.voters, stored.choices, stored.tags_yes AS yes,
               stored.tags_answered AS answered
        FROM unnest(units) AS one(unit)
        JOIN annotate_unittally stored ON stored.unit_id = one.unit
        JOIN annotate_slice slice ON slice.id = stored.slice_id
    ), same AS MATERIALIZED (
        SELECT after.unit FROM after JOIN before ON before.unit = after.unit
        WHERE (after.campaign, after.tags, after.source, after.language, after.is_augmented, after.week, after.voters,
               after.choices, after.yes, after.answered)
          IS NOT DISTINCT FROM
              (before.campaign, before.tags, before.source, before.language, before.is_augmented, before.week,
               before.voters, before.choices, before.yes, before.answered)
    ), moved AS MATERIALIZED (
        SELECT 1 AS sign, unit, campaign, tags, source, language, is_augmented, week, base, voters, choices, yes,
               answered, disagreement, is_severe
        FROM after WHERE unit NOT IN (SELECT unit FROM same)
        UNION ALL
        SELECT -1, unit, campaign, tags, source, language, is_augmented, week, base, voters, choices, yes, answered,
               NULL, NULL
        FROM before WHERE unit NOT IN (SELECT unit FROM same)
    ), sliced AS (
        MERGE INTO annotate_slice slice
        USING (
            SELECT campaign, tags, source, language, is_augmented, week, sum(sign)::int AS units
            FROM moved GROUP BY campaign, tags, source, language, is_augmented, ROLLUP (week)
        ) key
        ON slice.campaign_id = key.campaign AND slice.tags = key.tags AND slice.source_id IS NOT DISTINCT FROM key.source
           AND slice.language = key.language AND slice.is_augmented = key.is_augmented
           AND slice.week IS NOT DISTINCT FROM key.week
        WHEN MATCHED AND slice.units + key.units = 0 THEN DELETE
        WHEN MATCHED THEN UPDATE SET units = slice.units + key.units
        WHEN NOT MATCHED THEN INSERT (campaign_id, tags, source_id, language, is_augmented, week, units)
            VALUES (key.campaign, key.tags, key.source, key.language, key.is_augmented, key.week, key.units)
        RETURNING slice.*
    ), side AS MATERIALIZED (
        SELECT sliced.id AS slice, whole.id AS whole, moved.*
        FROM moved
        JOIN sliced
          ON sliced.campaign_id = moved.campaign AND sliced.tags = moved.tags
             AND sliced.source_id IS NOT DISTINCT FROM moved.source AND sliced.language = moved.language
             AND sliced.is_augmented = moved.is_augmented AND sliced.week = moved.week
        JOIN sliced whole
          ON whole.campaign_id = moved.campaign AND whole.tags = moved.tags
             AND whole.source_id IS NOT DISTINCT FROM moved.source AND whole.language = moved.language
             AND whole.is_augmented = moved.is_augmented AND whole.week IS NULL
    ), tagged AS MATERIALIZED (
        SELECT slice, whole, unit, sign, tags, said.voter, said.yes, said.answered
        FROM side, unnest(side.voters, side.yes, side.answered) AS said(voter, yes, answered)
        WHERE side.yes <> '{}'
    ), pattern AS MATERIALIZED (
        -- Of each unit and kind: its pattern, and beside each other who voted for which option.
        SELECT slice, whole, sign, 'base' AS kind, base AS pattern, voters, choices FROM side
        UNION ALL
        SELECT slice, whole, sign, 'tag:' || tag.code, array_agg(answer ORDER BY answer, voter),
               array_agg(voter ORDER BY answer, voter), array_agg(answer ORDER BY answer, voter)
        FROM tagged CROSS JOIN unnest(tagged.tags) WITH ORDINALITY AS tag(code, at)
        CROSS JOIN LATERAL (SELECT (tagged.yes >> (tag.at - 1)::int) & 1 AS answer) one
        WHERE (tagged.answered >> (tag.at - 1)::int) & 1 = 1
        GROUP BY slice, whole, unit, sign, tag.code
        UNION ALL
        SELECT slice, whole, sign, 'tags', array_agg(yes ORDER BY yes, voter), array_agg(voter ORDER BY yes, voter),
               array_agg(yes ORDER BY yes, voter)
        FROM tagged WHERE answered = (1 << cardinality(tags)) - 1
        GROUP BY slice, whole, unit, sign
    ), patterned AS (
        MERGE INTO annotate_patterncount known
        USING (
            SELECT slice, kind, pattern, sum(sign)::int AS units FROM pattern
            GROUP BY slice, kind, pattern HAVING sum(sign) <> 0
        ) more
        ON known.slice_id = more.slice AND known.kind = more.kind AND known.pattern = more.pattern
        WHEN MATCHED AND known.units + more.units = 0 THEN DELETE
        WHEN MATCHED THEN UPDATE SET units = known.units + more.units
        WHEN NOT MATCHED THEN INSERT (slice_id, kind, pattern, units)
            VALUES (more.slice, more.kind, more.pattern, more.units)
    ), voted AS (
        MERGE INTO annotate_votercount known
        USING (
            SELECT whole AS slice, kind, said.voter, pattern, said.option, sum(sign)::int AS votes
            FROM pattern, unnest(pattern.voters, pattern.choices) AS said(voter, option)
            WHERE said.voter IS NOT NULL
            GROUP BY whole, kind, said.voter, pattern, said.option HAVING sum(sign) <> 0
        ) more
        ON known.slice_id = more.slice AND known.kind = more.kind AND known.annotator_id = more.voter
           AND known.pattern = more.pattern AND known.option = more.option
        WHEN MATCHED AND known.votes + more.votes = 0 THEN DELETE
        WHEN MATCHED THEN UPDATE SET votes = known.votes + more.votes
        WHEN NOT MATCHED THEN INSERT (slice_id, kind, annotator_id, pattern, option, votes)
            VALUES (more.slice, more.kind, more.voter, more.pattern, more.option, more.votes)
    ), emptied AS (
        DELETE FROM annotate_unittally
        WHERE unit_id IN (SELECT unit FROM before) AND unit_id NOT IN (SELECT unit FROM after)
    )
    INSERT INTO annotate_unittally AS stored
        (unit_id, campaign_id, slice_id, base, voters, choices, tags_yes, tags_answered, disagreement, is_severe)
    SELECT unit, campaign, slice, base, voters, choices, yes, answered, disagreement, is_severe
    FROM side WHERE sign = 1
    ON CONFLICT (unit_id) DO UPDATE SET
        campaign_id = excluded.campaign_id, slice_id = excluded.slice_id, base = excluded.base,
        voters = excluded.voters, choices = excluded.choices, tags_yes = excluded.tags_yes,
        tags_answered = excluded.tags_answered, disagreement = excluded.disagreement, is_severe = excluded.is_severe;
    RETURN taken;
END $$;

-- How many units of a campaign are served, how many votes they want, and how many slots are taken, as changes whose sum
-- it is: whoever changes a unit adds a row and waits for nobody. After statements that add or delete units; `changed` are
-- their rows.
CREATE OR REPLACE FUNCTION annotate_note_units() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sign integer := CASE WHEN TG_OP = 'DELETE' THEN -1 ELSE 1 END;
BEGIN
    INSERT INTO annotate_unitchange (campaign_id, units, wanted, given)
    SELECT campaign_id, sign * count(*), sign * sum(overlap), sign * sum(taken) FROM changed
    WHERE NOT is_withdrawn GROUP BY campaign_id;
    RETURN NULL;
END $$;

-- The same after a unit's slots, its overlap or whether it is served have changed.
CREATE OR REPLACE FUNCTION annotate_note_unit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before integer := (NOT OLD.is_withdrawn)::integer;
    after integer := (NOT NEW.is_withdrawn)::integer;
BEGIN
    INSERT INTO annotate_unitchange (campaign_id, units, wanted, given)
    VALUES (NEW.campaign_id, after - before, after * NEW.overlap - before * OLD.overlap,
            after * NEW.taken - before * OLD.taken);
    RETURN NULL;
END $$;

-- Makes one row of the many of each campaign; who reads sees either. Of two at once the second returns at once.
CREATE OR REPLACE FUNCTION annotate_gather_changes() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('annotate_gather_changes')) THEN RETURN; END IF;
    WITH gone AS (
        DELETE FROM annotate_unitchange WHERE campaign_id IN (
            SELECT campaign_id FROM annotate_unitchange GROUP BY campaign_id HAVING count(*) > 1)
        RETURNING campaign_id, units, wanted, given
    )
    INSERT INTO annotate_unitchange (campaign_id, units, wanted, given)
    SELECT campaign_id, sum(units), sum(wanted), sum(given) FROM gone GROUP BY campaign_id;
END $$;
