-- Who may decide, and what decisions come to: the contract is said by annotate/models/adjudication.py.
--
-- Locks are taken in the order of the desk: the person's row, then the unit. A submit and a claim of the same person wait
-- for the first, so that of their vote and their decision the later one sees the earlier; two adjudicators of one unit
-- wait for the second. The INSERT has locked the table before it comes here, so that a cut that did not see the row was
-- taken before its moment.
--
-- A migration loads this file. After a change write another that loads it anew; a test compares the database with it.

CREATE OR REPLACE FUNCTION annotate_decide() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_gone boolean;
    wanted integer;
    by_majority boolean;
    before bigint;
BEGIN
    PERFORM 1 FROM annotate_annotator WHERE id = NEW.adjudicator_id FOR NO KEY UPDATE;
    SELECT is_withdrawn INTO is_gone FROM annotate_unit WHERE id = NEW.unit_id FOR NO KEY UPDATE;
    IF is_gone THEN RAISE EXCEPTION 'the text of unit % was withdrawn', NEW.unit_id; END IF;
    IF EXISTS (SELECT 1 FROM annotate_annotation said
               WHERE said.unit_id = NEW.unit_id AND said.annotator_id = NEW.adjudicator_id)
       OR (EXISTS (SELECT 1 FROM annotate_assignment held
                   WHERE held.unit_id = NEW.unit_id AND held.annotator_id = NEW.adjudicator_id)
           AND NOT EXISTS (SELECT 1 FROM annotate_decision own
                           WHERE own.unit_id = NEW.unit_id AND own.adjudicator_id = NEW.adjudicator_id))
    THEN
        RAISE EXCEPTION 'annotator % was given unit % to label: others decide it', NEW.adjudicator_id, NEW.unit_id;
    END IF;

    -- Of the rows on a unit the newest tells; a number that was drawn before a wait would not be it.
    SELECT settled_by_id INTO before FROM annotate_decision WHERE unit_id = NEW.unit_id ORDER BY id DESC LIMIT 1;
    IF EXISTS (SELECT 1 FROM annotate_decision WHERE unit_id = NEW.unit_id AND id > NEW.id) THEN
        RAISE EXCEPTION 'unit % was decided meanwhile', NEW.unit_id;
    END IF;
    IF NEW.supersedes_id IS NULL THEN
        IF before IS NOT NULL THEN RAISE EXCEPTION 'unit % is decided: supersede decision %', NEW.unit_id, before; END IF;
    ELSIF NOT EXISTS (
        SELECT 1 FROM annotate_decision earlier
        WHERE earlier.id = NEW.supersedes_id AND earlier.unit_id = NEW.unit_id AND earlier.label <> ''
    ) THEN
        RAISE EXCEPTION 'decision % does not supersede one on the same unit', NEW.id;
    END IF;
    IF EXISTS (
        SELECT 1 FROM annotate_decision own
        WHERE own.unit_id = NEW.unit_id AND own.adjudicator_id = NEW.adjudicator_id AND own.label <> ''
          AND own.id IS DISTINCT FROM NEW.supersedes_id
          AND NOT EXISTS (SELECT 1 FROM annotate_decision later WHERE later.supersedes_id = own.id)
    ) THEN
        RAISE EXCEPTION 'annotator % has decided unit % already', NEW.adjudicator_id, NEW.unit_id;
    END IF;

    NEW.decided_at := clock_timestamp();
    NEW.settled_by_id := NULL;
    NEW.alike := 0;
    SELECT campaign.adjudicators, campaign.adjudicate_by = 'majority' INTO wanted, by_majority
    FROM annotate_campaign campaign JOIN annotate_unit unit ON unit.campaign_id = campaign.id
    WHERE unit.id = NEW.unit_id;
    SELECT answer.last, answer.alike INTO NEW.settled_by_id, NEW.alike
    FROM (
        SELECT max(standing.id) AS last, count(*) AS alike, sum(count(*)) OVER () AS all_of_them,
               count(*) OVER (PARTITION BY count(*)) AS with_as_many
        FROM (
            SELECT said.id, said.label, said.tags FROM annotate_decision said
            WHERE said.unit_id = NEW.unit_id AND said.label <> '' AND said.id IS DISTINCT FROM NEW.supersedes_id
              AND NOT EXISTS (SELECT 1 FROM annotate_decision later WHERE later.supersedes_id = said.id)
            UNION ALL
            SELECT NEW.id, NEW.label, NEW.tags WHERE NEW.label <> ''
        ) standing
        GROUP BY standing.label, standing.tags
    ) answer
    WHERE answer.with_as_many = 1 AND CASE
        WHEN by_majority THEN answer.all_of_them >= wanted AND 2 * answer.alike > answer.all_of_them
        ELSE answer.alike >= wanted END
    ORDER BY answer.alike DESC LIMIT 1;
    NEW.alike := coalesce(NEW.alike, 0);
    RETURN NEW;
END $$;

-- The one exception: the words, which may quote the text, are blanked when it was taken down.
CREATE OR REPLACE FUNCTION annotate_decisions_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.words = '' THEN
        OLD.words := '';
        IF NEW IS NOT DISTINCT FROM OLD AND EXISTS (
            SELECT 1 FROM annotate_unit at JOIN sources_instruction text ON text.id = at.instruction_id
            WHERE at.id = NEW.unit_id AND text.state = 3
        ) THEN RETURN NEW; END IF;
    END IF;
    RAISE EXCEPTION 'decisions are append-only: supersede decision % instead', OLD.id;
END $$;

-- Before a vote; whoever decided is not given the unit, so only a forged answer comes here.
CREATE OR REPLACE FUNCTION annotate_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM annotate_decision own
               WHERE own.unit_id = NEW.unit_id AND own.adjudicator_id = NEW.annotator_id) THEN
        RAISE EXCEPTION 'annotator % has decided unit %, and does not vote on it', NEW.annotator_id, NEW.unit_id;
    END IF;
    RETURN NEW;
END $$;
