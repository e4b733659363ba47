-- What happens at the desk: answer, and be given the next text. Each of these is one round trip instead of nine, which
-- is most of what an answer costs. annotate/assignments.py and annotate/annotations.py call them and say the contract.
--
-- Locks are taken in one order: the annotator's row, then the assignment, then the unit. Whoever waits for a unit holds
-- no other, so that neither two people nor a person and a curator who changes a whole campaign stop each other. Every
-- statement below sees what was committed before it began, also after it has waited for a lock.
--
-- Migrations load this file. After a change write another that loads it anew; a test compares the database with it.

-- Ends a live lease so that its unit is the next that its holder gets if nobody else takes it; false if it had ended.
CREATE OR REPLACE FUNCTION annotate_give_back(lease bigint, why varchar) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    gone record;
BEGIN
    UPDATE annotate_assignment SET state = 'returned', reason = why, ended_at = clock_timestamp()
    WHERE id = lease AND state = 'live' RETURNING annotator_id, unit_id INTO gone;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE annotate_participation joined
    SET cursors[unit.tier + 1] = least(joined.cursors[unit.tier + 1], unit.position - 1)
    FROM annotate_unit unit
    WHERE unit.id = gone.unit_id
      AND joined.annotator_id = gone.annotator_id AND joined.campaign_id = unit.campaign_id;
    RETURN true;
END $$;

-- Whether a person may be given a unit that is open: they did not have it, its text is available, nothing of its
-- family was given to them just now, and its answer is not known for one of the phases that are served by other ways.
-- What was given back by the way comes again, whatever its family.
--
-- The state of the instruction is asked for although the indexes leave withdrawn units out: a campaign that was being
-- opened when an instruction was withdrawn has a unit of it that nobody marked. It is a function of one unit, since a
-- planner that may join the instructions can leave the order of the index.
CREATE OR REPLACE FUNCTION annotate_suits(
    who bigint, one bigint, instruction bigint, recent bigint[], families bigint[], apart varchar[]
) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN NOT EXISTS (
        SELECT 1 FROM annotate_assignment held
        WHERE held.unit_id = one AND held.annotator_id = who AND held.state <> 'returned'
    ) AND (
        SELECT said.state = 0 AND (coalesce(said.root_id, said.id) <> ALL(families) OR one = ANY(recent))
        FROM sources_instruction said WHERE said.id = instruction
    ) AND NOT EXISTS (
        SELECT 1 FROM annotate_knownanswer known WHERE known.unit_id = one AND known.phase = ANY(apart));
END $$;

-- The next unit for a person who reads everything: the first open one after their cursor in the lowest tier that has
-- one. Walking the partial index unit_open_slots from the cursor costs the same with 0 or 50,000 votes behind the
-- person; from the start it was 200 times slower at 50,000.
CREATE OR REPLACE FUNCTION annotate_next(
    who bigint, place bigint, cursors bigint[], avoided varchar[], recent bigint[], families bigint[], apart varchar[],
    worst integer,
    OUT unit_id bigint, OUT unit_tier integer, OUT unit_position bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT found.id, found.tier, found.position INTO unit_id, unit_tier, unit_position
    FROM unnest(cursors) WITH ORDINALITY AS lane(cursor, number), LATERAL (
        SELECT unit.id, unit.tier, unit.position FROM annotate_unit unit
        WHERE unit.campaign_id = place AND unit.tier = lane.number - 1 AND unit.position > lane.cursor
          AND unit.taken < unit.overlap AND NOT unit.is_withdrawn AND (avoided = '{}' OR NOT unit.topics && avoided)
          AND unit.severity <= worst
          AND annotate_suits(who, unit.id, unit.instruction_id, recent, families, apart)
        ORDER BY unit.position LIMIT 1
    ) found LIMIT 1;
END $$;

-- The same unit for a person who reads some languages, found without a look at those in others: each tier has a lane
-- of the index unit_open_by_language for each of them, and the first of all the lanes of a tier is the first of the
-- tier. A text whose language is not known is for everybody.
CREATE OR REPLACE FUNCTION annotate_next_read(
    who bigint, place bigint, cursors bigint[], languages varchar[], avoided varchar[], recent bigint[],
    families bigint[], apart varchar[], worst integer,
    OUT unit_id bigint, OUT unit_tier integer, OUT unit_position bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT found.id, found.tier, found.position INTO unit_id, unit_tier, unit_position
    FROM unnest(cursors) WITH ORDINALITY AS lane(cursor, number), LATERAL (
        SELECT head.* FROM unnest(languages || ''::varchar) AS tongue(name), LATERAL (
            SELECT unit.id, unit.tier, unit.position FROM annotate_unit unit
            WHERE unit.campaign_id = place AND unit.language = tongue.name
              AND unit.tier = lane.number - 1 AND unit.position > lane.cursor
              AND unit.taken < unit.overlap AND NOT unit.is_withdrawn AND (avoided = '{}' OR NOT unit.topics && avoided)
              AND unit.severity <= worst
              AND annotate_suits(who, unit.id, unit.instruction_id, recent, families, apart)
            ORDER BY unit.position LIMIT 1
        ) head ORDER BY head.position LIMIT 1
    ) found LIMIT 1;
END $$;

-- The next unit for a person with these wishes; all null if there is none.
CREATE OR REPLACE FUNCTION annotate_next_wished(
    who bigint, place bigint, cursors bigint[], languages varchar[], avoided varchar[], recent bigint[],
    families bigint[], apart varchar[], worst integer,
    OUT unit_id bigint, OUT unit_tier integer, OUT unit_position bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF languages = '{}' THEN
        SELECT * INTO unit_id, unit_tier, unit_position
        FROM annotate_next(who, place, cursors, avoided, recent, families, apart, worst);
    ELSE
        SELECT * INTO unit_id, unit_tier, unit_position
        FROM annotate_next_read(who, place, cursors, languages, avoided, recent, families, apart, worst);
    END IF;
END $$;

-- What a person was given last, in any campaign, and the families of it.
CREATE OR REPLACE FUNCTION annotate_recent(who bigint, distance integer, OUT recent bigint[], OUT families bigint[])
LANGUAGE plpgsql STABLE AS $$
BEGIN
    recent := ARRAY(SELECT given.unit_id FROM annotate_assignment given WHERE given.annotator_id = who
                    ORDER BY given.ended_at DESC LIMIT distance);
    families := ARRAY(SELECT coalesce(given.root_id, given.id) FROM annotate_unit seen
                      JOIN sources_instruction given ON given.id = seen.instruction_id
                      WHERE seen.id = ANY(recent));
END $$;

-- Locks the next unit for a person and returns it; all null if there is none.
--
-- What others hold locked for a moment is passed by. Near the end of a campaign that is nearly everything, and would
-- turn 84 of 100 away wrongly; so whoever is patient looks from the start, and waits: each round has waited for
-- somebody else's progress. A unit that proves to be full by then is let go again: PostgreSQL would keep it locked
-- while the next is waited for.
CREATE OR REPLACE FUNCTION annotate_pick(
    who bigint, place bigint, cursors bigint[], languages varchar[], avoided varchar[], distance integer,
    apart varchar[], patient boolean, worst integer,
    OUT unit_id bigint, OUT unit_tier integer, OUT unit_position bigint
) LANGUAGE plpgsql AS $$
DECLARE
    recent bigint[];
    families bigint[];
BEGIN
    SELECT * INTO recent, families FROM annotate_recent(who, distance);
    IF patient THEN cursors := array_fill(-1::bigint, ARRAY[cardinality(cursors)]); END IF;
    LOOP
        SELECT * INTO unit_id, unit_tier, unit_position
        FROM annotate_next_wished(who, place, cursors, languages, avoided, recent, families, apart, worst);
        EXIT WHEN unit_id IS NULL;
        IF patient THEN
            BEGIN
                IF annotate_has_slot(unit_id) AND annotate_is_bearable(unit_id, worst) THEN RETURN; END IF;
                RAISE 'full';
            EXCEPTION WHEN raise_exception THEN NULL;
            END;
        ELSE
            PERFORM 1 FROM annotate_unit
            WHERE id = unit_id AND taken < overlap AND NOT is_withdrawn AND severity <= worst
            FOR NO KEY UPDATE SKIP LOCKED;
            IF FOUND THEN RETURN; END IF;
            cursors[unit_tier + 1] := unit_position;
        END IF;
    END LOOP;
    unit_id := NULL; unit_tier := NULL; unit_position := NULL;
END $$;

-- The phases whose units are not served in the order of a campaign: texts that teach and test never, gold not where it is
-- mixed in at a rate, unless nothing else is left.
CREATE OR REPLACE FUNCTION annotate_apart(campaign annotate_campaign) RETURNS varchar[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN campaign.gold_every > 0 THEN '{practice,qualification,gold}' ELSE '{practice,qualification}' END;
END $$;

-- What decides by chance, the same every time for the same words; nobody outside knows the seed.
CREATE OR REPLACE FUNCTION annotate_chance(words text, seed bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN hashtextextended(words, seed) & 9223372036854775807;
END $$;

-- What a person gave back by the way and would be given again next: a lease of gold, which no cursor finds, if it is the
-- oldest of these, else null; `is_owed` says whether there is any. Without it a text that changes at sign-in would be
-- told from one that does not.
CREATE OR REPLACE FUNCTION annotate_owed(
    who bigint, place bigint, worst integer, OUT unit_id bigint, OUT is_owed boolean
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT CASE WHEN gold.id IS NOT NULL THEN at.id END, true INTO unit_id, is_owed
    FROM (SELECT * FROM annotate_assignment ended WHERE ended.annotator_id = who AND ended.state <> 'live'
          ORDER BY ended.ended_at DESC LIMIT 10) given
    JOIN annotate_unit at ON at.id = given.unit_id AND at.campaign_id = place AND NOT at.is_withdrawn
    LEFT JOIN annotate_knownanswer gold ON gold.unit_id = at.id AND gold.phase = 'gold'
    WHERE given.state = 'returned' AND given.reason NOT IN ('expired', 'withdrawn')
      AND (at.taken < at.overlap OR gold.id IS NOT NULL) AND at.severity <= worst
      AND annotate_suits(who, at.id, at.instruction_id, '{}', '{}', '{practice,qualification}')
    ORDER BY given.id LIMIT 1;
    is_owed := coalesce(is_owed, false);
END $$;

-- The gold that a person is given next, null if they have had all that they wish; `has_slot` if it is locked and one
-- more vote on it would count. Each person has gold in an order of their own. Nobody waits for it: who finds it locked
-- reads it as if it were full.
CREATE OR REPLACE FUNCTION annotate_pick_gold(
    who bigint, campaign annotate_campaign, languages varchar[], avoided varchar[], owed bigint, worst integer,
    OUT unit_id bigint, OUT has_slot boolean
) LANGUAGE plpgsql AS $$
DECLARE
    recent bigint[];
    families bigint[];
BEGIN
    SELECT * INTO recent, families FROM annotate_recent(who, campaign.family_distance);
    SELECT gold.id INTO unit_id FROM (
        SELECT unit.id, unit.instruction_id FROM annotate_knownanswer known JOIN annotate_unit unit ON unit.id = known.unit_id
        WHERE unit.campaign_id = campaign.id AND known.phase = 'gold' AND NOT unit.is_withdrawn AND unit.severity <= worst
          AND (languages = '{}' OR unit.language = ANY(languages || ''::varchar)) AND NOT unit.topics && avoided
        ORDER BY unit.id = owed DESC NULLS LAST, hashint8extended(unit.id, campaign.gold_seed # who) OFFSET 0
    ) gold WHERE annotate_suits(who, gold.id, gold.instruction_id, recent, families, '{}') LIMIT 1;
    PERFORM 1 FROM annotate_unit WHERE id = unit_id AND taken < overlap AND NOT is_withdrawn FOR NO KEY UPDATE SKIP LOCKED;
    has_slot := FOUND;
END $$;

-- Whether a campaign is paused for a person, or they are excluded from it; empty if neither.
CREATE OR REPLACE FUNCTION annotate_standing(who bigint, place bigint) RETURNS varchar LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT joined.standing FROM annotate_participation joined
                     WHERE joined.annotator_id = who AND joined.campaign_id = place), '');
END $$;

-- Gives back one lease that a person holds too much, and says whether there was one: of a text that was withdrawn, in a
-- campaign that is paused for them, or in another campaign if they want so many here that it were more than two. The
-- oldest first. It waits for that unit,
-- so it is a transaction of its own.
CREATE OR REPLACE FUNCTION annotate_make_room(who bigint, place bigint, wanted integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    surplus record;
BEGIN
    PERFORM 1 FROM annotate_annotator WHERE id = who FOR NO KEY UPDATE;
    SELECT lease.id, gone.is_gone, gone.is_paused INTO surplus
    FROM annotate_assignment lease
    JOIN annotate_unit at ON at.id = lease.unit_id
    JOIN sources_instruction said ON said.id = at.instruction_id
    CROSS JOIN LATERAL (
        SELECT at.is_withdrawn OR said.state <> 0 AS is_gone,
               annotate_standing(who, at.campaign_id) <> '' AS is_paused) gone
    WHERE lease.annotator_id = who AND lease.state = 'live'
      AND (gone.is_gone OR gone.is_paused OR (at.campaign_id <> place AND 2 < (
            SELECT count(*) FILTER (WHERE other_at.campaign_id <> place)
                   + greatest(wanted, count(*) FILTER (WHERE other_at.campaign_id = place))
            FROM annotate_assignment other JOIN annotate_unit other_at ON other_at.id = other.unit_id
            WHERE other.annotator_id = who AND other.state = 'live')))
    ORDER BY gone.is_gone DESC, gone.is_paused DESC, lease.claimed_at, lease.id LIMIT 1;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM annotate_give_back(surplus.id, CASE
        WHEN surplus.is_gone THEN 'withdrawn' WHEN surplus.is_paused THEN 'paused' ELSE 'moved on' END);
    RETURN true;
END $$;

-- Whether a unit, which is locked, is still no worse than that: a vote may have come meanwhile.
CREATE OR REPLACE FUNCTION annotate_is_bearable(one bigint, worst integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT severity <= worst FROM annotate_unit WHERE id = one);
END $$;

-- Counts the time that a person is at the desk, and returns how many milliseconds it was on this day of theirs: from one
-- look at it to the next, and no more than three minutes of it, so that it is the same in one tab and in five, with a
-- script and without. What is shorter than twenty seconds waits for the next look: a row is not written for each answer.
-- Whoever calls it holds the person's row.
CREATE OR REPLACE FUNCTION annotate_spend(who bigint, zone varchar, moment timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    today date := (moment AT TIME ZONE zone)::date;
    spent record;
    since bigint;
BEGIN
    SELECT milliseconds, seen_at INTO spent FROM annotate_deskday WHERE annotator_id = who AND day = today;
    IF NOT FOUND THEN
        INSERT INTO annotate_deskday (annotator_id, day, milliseconds, seen_at) VALUES (who, today, 0, moment)
        ON CONFLICT DO NOTHING;
        RETURN 0;
    END IF;
    since := greatest(0, least(180000, extract(epoch FROM moment - spent.seen_at) * 1000))::bigint;
    IF moment - spent.seen_at >= interval '20 seconds' THEN
        UPDATE annotate_deskday SET milliseconds = milliseconds + since, seen_at = moment
        WHERE annotator_id = who AND day = today AND seen_at = spent.seen_at;
    END IF;
    RETURN spent.milliseconds + since;
END $$;

-- The worst severity that a person may be given in a campaign now, -1 if nothing at all, and why not more: 'minutes' and
-- 'severe' are the limits of a day of theirs, the lower of their own and the campaign's; 'calm' means that calm texts, or
-- a break of a quarter of an hour, come after the severe one that they had. Costs the same however much they have read.
-- What was given counts, whatever became of it: a text that was fetched ahead, or answered late, has been read perhaps.
CREATE OR REPLACE FUNCTION annotate_bearable(
    person annotate_annotator, campaign annotate_campaign, spent bigint, moment timestamptz,
    OUT worst integer, OUT why varchar
) LANGUAGE plpgsql AS $$
DECLARE
    most integer := least(person.severe_per_day, campaign.severe_per_day);
    calm integer := greatest(person.calm_after, campaign.calm_after);
    midnight timestamptz := date_trunc('day', moment AT TIME ZONE person.time_zone) AT TIME ZONE person.time_zone;
    severe record;
BEGIN
    worst := 3;
    why := '';
    IF spent >= 60000 * least(person.minutes_per_day, campaign.minutes_per_day) THEN
        worst := -1;
        why := 'minutes';
    ELSIF most IS NOT NULL AND (
        SELECT count(*) FROM (
            SELECT DISTINCT given.unit_id FROM annotate_assignment given
            WHERE given.annotator_id = person.id AND given.severity >= 2 AND given.claimed_at >= midnight
            UNION
            SELECT given.unit_id FROM annotate_reading given
            WHERE given.annotator_id = person.id AND given.severity >= 2 AND given.given_at >= midnight
        ) today
    ) >= most THEN
        worst := 1;
        why := 'severe';
    ELSIF calm > 0 THEN
        SELECT last.claimed_at, last.ended_at INTO severe FROM (
            (SELECT given.claimed_at, coalesce(given.ended_at, moment) AS ended_at FROM annotate_assignment given
             WHERE given.annotator_id = person.id AND given.severity >= 2 ORDER BY given.claimed_at DESC LIMIT 1)
            UNION ALL
            (SELECT given.given_at, coalesce(given.ended_at, least(moment, given.expires_at)) FROM annotate_reading given
             WHERE given.annotator_id = person.id AND given.severity >= 2 ORDER BY given.given_at DESC LIMIT 1)
        ) last ORDER BY last.claimed_at DESC LIMIT 1;
        -- By the time of giving: an answer that comes late ends an assignment of long ago.
        IF severe.ended_at > moment - interval '15 minutes' AND calm > (
            SELECT count(*) FROM (
                SELECT 1 FROM annotate_assignment given
                WHERE given.annotator_id = person.id AND given.ended_at IS NULL AND given.claimed_at > severe.claimed_at
                UNION ALL
                SELECT 1 FROM annotate_assignment given
                WHERE given.annotator_id = person.id AND given.ended_at > severe.claimed_at
                  AND given.claimed_at > severe.claimed_at
                UNION ALL
                SELECT 1 FROM annotate_reading given
                WHERE given.annotator_id = person.id AND given.given_at > severe.claimed_at
                LIMIT calm
            ) since
        ) THEN
            worst := 1;
            why := 'calm';
        END IF;
    END IF;
END $$;

-- The version of the consent page that holds now: care.CONSENT. Who agreed to another is asked again.
CREATE OR REPLACE FUNCTION annotate_consent() RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT 1
$$;

-- What a person holds in a campaign, oldest first, after claiming until it is as many as are wanted, or as many as they
-- have room for. Whoever is patient is given no more than one lease in a transaction.
CREATE OR REPLACE FUNCTION annotate_claim(who bigint, place bigint, wanted integer, patient boolean)
RETURNS TABLE (
    assignment bigint, unit bigint, hand smallint, until timestamptz, target varchar, turns jsonb, language varchar)
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    campaign annotate_campaign%ROWTYPE;
    person annotate_annotator%ROWTYPE;
    joined annotate_participation%ROWTYPE;
    term interval;
    here integer;
    elsewhere integer;
    free smallint;
    picked record;
    owed record;
    chosen bigint;
    has_slot boolean;
    goes_on boolean;
    spent bigint;
    worst integer;
BEGIN
    SELECT * INTO person FROM annotate_annotator WHERE id = who FOR NO KEY UPDATE;
    -- Whoever left by the quick exit, or did not agree to what is coming, is shown nothing, held or new.
    IF person.left_at IS NOT NULL OR (person.kind = 'human' AND person.consented <> annotate_consent()) THEN
        RETURN;
    END IF;
    SELECT * INTO campaign FROM annotate_campaign WHERE id = place;
    spent := annotate_spend(who, person.time_zone, moment);
    term := make_interval(mins => campaign.lease_minutes);

    -- Whoever comes by with less than half of their time left has all of it again.
    UPDATE annotate_assignment lease SET expires_at = moment + term
    FROM annotate_unit at
    WHERE at.id = lease.unit_id AND at.campaign_id = place
      AND lease.annotator_id = who AND lease.state = 'live' AND lease.expires_at < moment + term / 2;

    SELECT count(*) FILTER (WHERE at.campaign_id = place), count(*) FILTER (WHERE at.campaign_id <> place),
           3 - coalesce(max(lease.hand), 2) INTO here, elsewhere, free
    FROM annotate_assignment lease JOIN annotate_unit at ON at.id = lease.unit_id
    WHERE lease.annotator_id = who AND lease.state = 'live';

    IF here < wanted AND here + elsewhere < 2 AND campaign.state = 'open' AND campaign.kind = 'volunteer'
       AND person.is_active
       AND (NOT EXISTS (SELECT 1 FROM annotate_campaign_groups invited WHERE invited.campaign_id = place)
            OR EXISTS (SELECT 1 FROM annotate_campaign_groups invited
                       JOIN annotate_annotator_groups member USING (group_id)
                       WHERE invited.campaign_id = place AND member.annotator_id = who))
    THEN
        INSERT INTO annotate_participation (campaign_id, annotator_id, votes) VALUES (place, who, 0)
        ON CONFLICT DO NOTHING;
        SELECT * INTO joined FROM annotate_participation WHERE campaign_id = place AND annotator_id = who;
        goes_on := joined.standing = ''
            AND (joined.practised_at IS NOT NULL OR NOT campaign.practice)
            AND (joined.qualified_at IS NOT NULL OR campaign.qualification_percent = 0);
        WHILE goes_on LOOP
            SELECT bearable.worst INTO worst FROM annotate_bearable(person, campaign, spent, moment) bearable;
            EXIT WHEN worst < 0;
            chosen := NULL;
            has_slot := true;
            IF campaign.gold_every > 0 THEN
                SELECT * INTO owed FROM annotate_owed(who, place, worst);
                -- Each text is gold by a chance of its own: after gold it is as likely as ever, so that nobody can count.
                IF owed.unit_id IS NOT NULL OR (NOT owed.is_owed AND 0 = annotate_chance(
                    format('%s in %s: %s', who, place, joined.draws), campaign.gold_seed) % campaign.gold_every)
                THEN
                    SELECT * INTO chosen, has_slot FROM annotate_pick_gold(
                        who, campaign, person.languages, person.avoided_topics, owed.unit_id, worst);
                END IF;
            END IF;
            IF chosen IS NULL THEN
                has_slot := true;
                SELECT * INTO picked FROM annotate_pick(
                    who, place, joined.cursors, person.languages, person.avoided_topics, campaign.family_distance,
                    annotate_apart(campaign), patient, worst);
                IF picked.unit_id IS NULL AND campaign.gold_every > 0 THEN
                    SELECT * INTO picked FROM annotate_pick(
                        who, place, joined.cursors, person.languages, person.avoided_topics, campaign.family_distance,
                        '{practice,qualification}', patient, worst);
                END IF;
                EXIT WHEN picked.unit_id IS NULL;
                chosen := picked.unit_id;
                joined.cursors[picked.unit_tier + 1] := picked.unit_position;
            END IF;
            INSERT INTO annotate_assignment
                (unit_id, annotator_id, hand, state, reason, look_again, severity, claimed_at, expires_at, is_check)
            SELECT chosen, who, free, 'live', '', false, at.severity, clock_timestamp(), moment + term, NOT has_slot
            FROM annotate_unit at WHERE at.id = chosen AND at.severity <= worst;
            -- Gold that has votes enough is not locked, and may have become worse.
            CONTINUE WHEN NOT FOUND;
            -- Only for what is given: who finds nothing left and asks again would else be given gold alone.
            IF campaign.gold_every > 0 THEN joined.draws := joined.draws + (NOT owed.is_owed)::integer; END IF;
            here := here + 1;
            free := 3 - free;
            EXIT WHEN patient OR here >= wanted OR here + elsewhere >= 2;
        END LOOP;
        UPDATE annotate_participation SET cursors = joined.cursors, draws = joined.draws
        WHERE id = joined.id AND (cursors <> joined.cursors OR draws <> joined.draws);
    END IF;

    RETURN QUERY
    SELECT lease.id, lease.unit_id, lease.hand, lease.expires_at, campaign.target, said.turns, said.language
    FROM annotate_assignment lease
    JOIN annotate_unit at ON at.id = lease.unit_id
    JOIN sources_instruction said ON said.id = at.instruction_id
    WHERE lease.annotator_id = who AND lease.state = 'live' AND at.campaign_id = place
      AND NOT at.is_withdrawn AND said.state = 0 AND annotate_standing(who, place) = ''
    ORDER BY lease.claimed_at, lease.id;
END $$;

-- The last that a person said of a unit, after locking their assignment of it: the one that is named, or the one that
-- they hold on the same unit since.
CREATE OR REPLACE FUNCTION annotate_said(
    who bigint, named bigint,
    OUT assignment bigint, OUT state varchar, OUT unit bigint, OUT campaign bigint, OUT campaign_state varchar,
    OUT label_set bigint, OUT is_gone boolean, OUT tip bigint, OUT tip_key uuid, OUT tip_choice bigint,
    OUT tip_tags jsonb
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM annotate_annotator WHERE id = who FOR NO KEY UPDATE;
    SELECT mine.id, mine.state, mine.unit_id INTO assignment, state, unit
    FROM annotate_assignment first
    JOIN annotate_assignment mine ON mine.unit_id = first.unit_id AND mine.annotator_id = first.annotator_id
    WHERE first.id = named AND first.annotator_id = who
    ORDER BY mine.state IN ('live', 'submitted') DESC, mine.state = 'surplus' DESC, mine.id = named DESC LIMIT 1
    FOR NO KEY UPDATE OF mine;
    SELECT at.campaign_id, place.state, place.label_set_id, at.is_withdrawn OR text.state <> 0
    INTO campaign, campaign_state, label_set, is_gone
    FROM annotate_unit at
    JOIN annotate_campaign place ON place.id = at.campaign_id
    JOIN sources_instruction text ON text.id = at.instruction_id WHERE at.id = unit;
    SELECT said.id, said.key, said.choice_id, said.tags INTO tip, tip_key, tip_choice, tip_tags
    FROM annotate_annotation said WHERE said.unit_id = unit AND said.annotator_id = who ORDER BY said.id DESC LIMIT 1;
END $$;

-- Stores what a person answers, and says what became of it, in the words of annotations.Outcome; or 'not theirs', or
-- 'refused' where the answer is none of the campaign's label set or of an earlier revision of it. Nothing is said of
-- tags: they have been checked.
CREATE OR REPLACE FUNCTION annotate_submit(
    who bigint, named bigint, choice bigint, tags jsonb, key uuid, revises bigint, note text, focused_ms integer,
    OUT outcome varchar, OUT votes integer
) LANGUAGE plpgsql AS $$
DECLARE
    said record;
    answered boolean;
    counts boolean;
    becomes varchar;
    is_check boolean;
    is_apart boolean;
BEGIN
    SELECT * INTO said FROM annotate_said(who, named);
    answered := said.state IN ('submitted', 'surplus');
    is_check := coalesce((SELECT mine.is_check FROM annotate_assignment mine WHERE mine.id = said.assignment), false);
    is_apart := annotate_standing(who, said.campaign) <> '';
    outcome := CASE
        WHEN said.assignment IS NULL THEN 'not theirs'
        WHEN NOT EXISTS (
            SELECT 1 FROM labels_label label JOIN labels_labelset of ON of.id = label.label_set_id
            JOIN labels_labelset now ON now.id = said.label_set
            WHERE label.id = choice AND label.kind = 'option' AND of.name = now.name AND of.revision <= now.revision
        ) THEN 'refused'
        WHEN said.tip_key = key THEN
            CASE WHEN said.tip_choice = choice AND said.tip_tags = tags THEN 'already saved'
                 ELSE 'already answered' END
        WHEN said.tip IS NOT NULL AND EXISTS (
            SELECT 1 FROM annotate_annotation earlier
            WHERE earlier.unit_id = said.unit AND earlier.annotator_id = who AND earlier.key = annotate_submit.key
        ) THEN 'already answered'
        WHEN answered AND revises IS DISTINCT FROM said.tip THEN 'already answered'
        WHEN answered AND said.campaign_state <> 'open' THEN 'stands'
        WHEN answered AND is_apart THEN 'paused'
    END;
    IF outcome IS NULL THEN
        PERFORM annotate_hold(said.campaign, said.unit);
        counts := said.state = 'submitted'
            OR (NOT said.is_gone AND (said.state = 'live' AND NOT is_check OR annotate_has_slot(said.unit))
                AND NOT is_apart);
        becomes := CASE WHEN counts THEN 'submitted' ELSE 'surplus' END;
        PERFORM annotate_append(
            who, said.assignment, said.unit, becomes, '', said.tip, choice, tags, key, note, focused_ms);
        IF counts THEN
            IF said.tip IS NOT NULL OR NOT annotate_stays_calm(said.unit, choice, tags) THEN
                PERFORM annotate_weigh(said.unit);
            END IF;
            PERFORM annotate_after_vote(said.campaign, said.unit);
        END IF;
        outcome := CASE
            WHEN said.is_gone AND NOT counts THEN 'withdrawn'
            WHEN is_apart AND NOT counts THEN 'paused'
            -- Of gold that has votes enough it is said as of any other text that it is saved, which it is.
            WHEN counts OR is_check THEN CASE WHEN answered THEN 'changed' ELSE 'saved' END
            ELSE 'surplus' END;
        PERFORM annotate_judge(who, said.campaign, said.unit);
    END IF;
    SELECT joined.votes + joined.checks INTO votes FROM annotate_participation joined
    WHERE joined.annotator_id = who AND joined.campaign_id = said.campaign;
    votes := coalesce(votes, 0);
END $$;

-- Pauses a campaign for a person after an answer to gold, once the most that can be believed of their share of right
-- answers (Wilson's upper bound at 95 %) among the last that were asked is below what the campaign wants.
CREATE OR REPLACE FUNCTION annotate_judge(who bigint, place bigint, one bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    campaign annotate_campaign%ROWTYPE;
    joined annotate_participation%ROWTYPE;
    found record;
BEGIN
    SELECT * INTO campaign FROM annotate_campaign WHERE id = place;
    IF campaign.gold_least = 0 OR NOT EXISTS (
        SELECT 1 FROM annotate_knownanswer known WHERE known.unit_id = one AND known.phase = 'gold'
    ) THEN RETURN; END IF;
    SELECT * INTO joined FROM annotate_participation WHERE annotator_id = who AND campaign_id = place;
    SELECT * INTO found FROM annotate_accuracy(who, place, joined.gold_since, campaign.gold_window);
    UPDATE annotate_participation SET standing = 'paused', standing_at = clock_timestamp(), standing_by_id = NULL,
        pauses = pauses + 1,
        standing_why = format('%s of the last %s answers to gold were right: at most %s %%, and %s %% are wanted',
                              found.n_right, found.n, round(100 * found.high), campaign.gold_least)
    WHERE id = joined.id AND standing = '' AND 100 * found.high < campaign.gold_least;
END $$;

-- Of the newest gold that a person answered since it is known and since a moment (null: ever), how much is right, and the
-- upper bound of Wilson's interval at 95 %, null without any.
CREATE OR REPLACE FUNCTION annotate_accuracy(
    who bigint, place bigint, since timestamptz, most integer,
    OUT n_right integer, OUT n integer, OUT high double precision
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    z CONSTANT double precision := 1.959963984540054;
    p double precision;
BEGIN
    SELECT count(*) FILTER (WHERE newest.is_right), count(*) INTO n_right, n FROM (
        SELECT on_gold.is_right FROM annotate_on_gold on_gold
        WHERE on_gold.annotator_id = who AND on_gold.campaign_id = place AND on_gold.was_known
          AND (since IS NULL OR on_gold.said_at > since)
        ORDER BY on_gold.said_at DESC LIMIT most) newest;
    IF n = 0 THEN RETURN; END IF;
    p := n_right::double precision / n;
    high := (p + z * z / (2 * n) + z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n))) / (1 + z * z / n);
END $$;

-- Takes an answer of an excluded person back, whatever the state of its campaign; false if none stands.
CREATE OR REPLACE FUNCTION annotate_exclude(who bigint, named bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    said record;
BEGIN
    SELECT * INTO said FROM annotate_said(who, named);
    IF said.state IS NULL OR said.state NOT IN ('submitted', 'surplus') THEN RETURN false; END IF;
    PERFORM annotate_hold(said.campaign, said.unit);
    PERFORM annotate_append(
        who, said.assignment, said.unit, 'declined', 'excluded', said.tip, NULL, '{}', gen_random_uuid(), '', NULL);
    PERFORM annotate_weigh(said.unit);
    PERFORM annotate_after_vote(said.campaign, said.unit);
    RETURN true;
END $$;

-- Takes an answer back for good; null if the assignment is not theirs, false if there is no answer that could be.
CREATE OR REPLACE FUNCTION annotate_withdraw(who bigint, named bigint, why varchar) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    said record;
BEGIN
    SELECT * INTO said FROM annotate_said(who, named);
    IF said.assignment IS NULL THEN RETURN NULL; END IF;
    IF said.state NOT IN ('submitted', 'surplus') OR said.campaign_state <> 'open' THEN RETURN false; END IF;
    PERFORM annotate_hold(said.campaign, said.unit);
    PERFORM annotate_append(
        who, said.assignment, said.unit, 'declined', why, said.tip, NULL, '{}', gen_random_uuid(), '', NULL);
    PERFORM annotate_weigh(said.unit);
    PERFORM annotate_after_vote(said.campaign, said.unit);
    RETURN true;
END $$;

-- Locks a unit and says whether one more vote on it would count.
CREATE OR REPLACE FUNCTION annotate_has_slot(wanted bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM annotate_unit WHERE id = wanted AND taken < overlap AND NOT is_withdrawn FOR NO KEY UPDATE;
    RETURN FOUND;
END $$;

-- The end of an assignment, or its next end, and what was said; the triggers count the slot and check the chain.
CREATE OR REPLACE FUNCTION annotate_append(
    who bigint, ended bigint, at bigint, becomes varchar, why varchar, earlier bigint, choice bigint, tags jsonb,
    key uuid, note text, focused_ms integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE annotate_assignment SET state = becomes, reason = why, look_again = false,
        ended_at = CASE WHEN state = becomes THEN ended_at ELSE clock_timestamp() END
    WHERE id = ended;
    INSERT INTO annotate_annotation
        (unit_id, annotator_id, assignment_id, supersedes_id, choice_id, tags, surplus, key, note, focused_ms,
         created_at)
    VALUES (at, who, ended, earlier, choice, tags, becomes = 'surplus', key, note, focused_ms, clock_timestamp());
END $$;

-- How hard to read what carries a label is: 0 nothing special, 1 mild, 2 severe. Codes are those of our label sets.
CREATE OR REPLACE FUNCTION annotate_weight(code varchar) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN code IN ('needs-intervention', 'sexual-content', 'hate', 'violence', 'self-harm') THEN 2
        WHEN code IN ('needs-caution', 'probably-needs-caution', 'abuse-related') THEN 1
        ELSE 0 END
$$;

-- The severity of an answer and the tags beside it: the worse of both, and 3, grave, where both are severe.
CREATE OR REPLACE FUNCTION annotate_grade(answer integer, tags integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN answer >= 2 AND tags >= 2 THEN 3 ELSE coalesce(greatest(answer, tags), 0) END
$$;

-- The severity that the sources of a campaign let expect: their suggested answers, and tags with a share of a half.
CREATE OR REPLACE FUNCTION annotate_expected(place bigint, instruction bigint) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT annotate_grade(max(annotate_weight(given.suggested ->> 'label')), max(tag.weight))
    FROM sources_provenance given
    LEFT JOIN LATERAL (
        SELECT max(annotate_weight(named.key)) AS weight FROM jsonb_each_text(given.suggested -> 'tags') named
        WHERE named.value::float >= 0.5
    ) tag ON true
    WHERE given.instruction_id = instruction AND given.source_id IN (
        SELECT chosen.source_id FROM annotate_campaign_sources chosen WHERE chosen.campaign_id = place)
$$;

-- The severity that a known answer says.
CREATE OR REPLACE FUNCTION annotate_known_grade(choice bigint, tags jsonb) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN annotate_grade(
        (SELECT annotate_weight(answer.code) FROM labels_label answer WHERE answer.id = choice),
        (SELECT max(annotate_weight(named.key)) FROM jsonb_each_text(tags) named WHERE named.value = 'true'));
END $$;

-- The severity of a unit: the worst that a counted vote or its known answer says, and as long as there are fewer than two
-- votes also what its sources let expect. This is the only place that decides it; annotate_weigh brings a unit there.
CREATE OR REPLACE FUNCTION annotate_severity(unit annotate_unit) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT greatest(
        annotate_grade(max(annotate_weight(option.code)), max(tag.weight)),
        (SELECT annotate_known_grade(known.choice_id, known.tags) FROM annotate_knownanswer known WHERE known.unit_id = unit.id),
        CASE WHEN count(*) < 2 THEN annotate_expected(unit.campaign_id, unit.instruction_id) END)
    FROM annotate_annotation said
    JOIN labels_label option ON option.id = said.choice_id
    LEFT JOIN LATERAL (
        SELECT max(annotate_weight(named.key)) AS weight FROM jsonb_each_text(said.tags) named
        WHERE named.value = 'true'
    ) tag ON true
    WHERE said.unit_id = unit.id AND NOT said.surplus AND NOT EXISTS (
        SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id));
END $$;

-- Brings a unit, which the caller holds, to its severity.
CREATE OR REPLACE FUNCTION annotate_weigh(one bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    weighed integer := (SELECT annotate_severity(unit) FROM annotate_unit unit WHERE unit.id = one);
BEGIN
    UPDATE annotate_unit SET severity = weighed WHERE id = one AND severity <> weighed;
END $$;

-- A trigger of known answers: what a curator says of a text is told of its severity at once.
CREATE OR REPLACE FUNCTION annotate_weigh_known() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    one bigint := CASE WHEN TG_OP = 'DELETE' THEN OLD.unit_id ELSE NEW.unit_id END;
BEGIN
    -- What is calm by its known answer is not held: an import of thousands would hold all their units until its end.
    IF (TG_OP <> 'INSERT' AND annotate_known_grade(OLD.choice_id, OLD.tags) > 0)
        OR (TG_OP <> 'DELETE' AND annotate_known_grade(NEW.choice_id, NEW.tags) > 0)
    THEN
        PERFORM 1 FROM annotate_unit WHERE id = one FOR NO KEY UPDATE;
        PERFORM annotate_weigh(one);
    END IF;
    RETURN NULL;
END $$;

-- Whether one more vote leaves a unit at no severity: it has none, and the vote gives none. Then nothing is to be weighed.
CREATE OR REPLACE FUNCTION annotate_stays_calm(one bigint, choice bigint, tags jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT unit.severity = 0 FROM annotate_unit unit WHERE unit.id = one)
        AND (SELECT annotate_weight(option.code) = 0 FROM labels_label option WHERE option.id = choice)
        AND NOT EXISTS (SELECT 1 FROM jsonb_each_text(tags) named
                        WHERE named.value = 'true' AND annotate_weight(named.key) > 0);
END $$;

-- The tier of a unit: the lowest of all order rules that fit it. This is the only place that decides it.
CREATE OR REPLACE FUNCTION annotate_tier(unit annotate_unit) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT coalesce(min(rule.tier), 5) FROM annotate_orderrule rule
    WHERE rule.campaign_id = unit.campaign_id
      AND (rule.source_id IS NULL OR EXISTS (
        SELECT 1 FROM sources_provenance given
        WHERE given.source_id = rule.source_id AND given.instruction_id = unit.instruction_id))
      AND (rule.language = '' OR rule.language = unit.language)
      AND (rule.topic = '' OR rule.topic = ANY(unit.topics))
      AND (NOT rule.votes_differ OR (
        SELECT count(DISTINCT option.code) > 1 FROM annotate_annotation said
        JOIN labels_label option ON option.id = said.choice_id
        WHERE said.unit_id = unit.id AND NOT said.surplus AND NOT EXISTS (
            SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id)))
$$;

-- Brings the units of a campaign, or one of them, into their tiers, so many at a time; returns how many moved.
--
-- Who moves goes to the end of the new tier, and those that move keep their order. Positions only grow, so no cursor
-- passes over them. Full units move too: a lease on one of them may lapse, or a vote be taken back. What others hold
-- locked is left for the next round: nobody who labels, and no curator who withdraws many texts, is stopped by it.
CREATE OR REPLACE FUNCTION annotate_reorder(place bigint, one bigint, most integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    moved bigint;
BEGIN
    -- In a WITH, which is computed once: a subquery may be the inner side of a nested loop and run for every unit.
    WITH ordered AS MATERIALIZED (
        SELECT unit.id, annotate_tier(unit) AS tier FROM annotate_unit unit
        WHERE unit.campaign_id = place AND (one IS NULL OR unit.id = one) AND unit.tier <> annotate_tier(unit)
        ORDER BY unit.position LIMIT most FOR UPDATE SKIP LOCKED
    ), moving AS MATERIALIZED (
        SELECT ordered.id, ordered.tier, nextval('annotate_unit_position') AS position FROM ordered
    )
    UPDATE annotate_unit SET tier = moving.tier, position = moving.position
    FROM moving WHERE annotate_unit.id = moving.id;
    GET DIAGNOSTICS moved = ROW_COUNT;
    RETURN moved;
END $$;

-- Whether votes decide the order of service, or how many are wanted.
CREATE OR REPLACE FUNCTION annotate_votes_decide(place bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (SELECT 1 FROM annotate_orderrule rule WHERE rule.campaign_id = place AND rule.votes_differ)
        OR EXISTS (SELECT 1 FROM annotate_campaign campaign WHERE campaign.id = place AND campaign.stopping_id > 0);
END $$;

-- How many votes a unit gets by its campaign's stopping rule, null if it has none: its minimum, then one more at a time
-- until the pattern of its votes is one that stops, or the cap is reached. While somebody reads it nothing is decided.
-- A unit whose answer is known gets the cap whatever is said of it: the next table is tuned on it, and on votes that
-- were stopped early nobody can tell what further ones would have been. The caller holds the unit.
CREATE OR REPLACE FUNCTION annotate_wanted(one bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    rule record;
    votes integer;
    pattern varchar;
BEGIN
    SELECT unit.taken, campaign.label_set_id AS label_set, made.minimum, made.cap, made.stops,
        EXISTS (SELECT 1 FROM annotate_knownanswer known WHERE known.unit_id = one AND known.phase = 'gold') AS is_gold
    INTO rule
    FROM annotate_unit unit
    JOIN annotate_campaign campaign ON campaign.id = unit.campaign_id
    JOIN annotate_stoppingrule made ON made.id = campaign.stopping_id
    WHERE unit.id = one;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF rule.is_gold THEN RETURN greatest(rule.cap, rule.taken); END IF;
    SELECT count(*), string_agg(option.position::text, ',' ORDER BY option.position) INTO votes, pattern
    FROM annotate_annotation said
    JOIN labels_label label ON label.id = said.choice_id
    JOIN labels_label option ON option.label_set_id = rule.label_set AND option.kind = 'option' AND option.code = label.code
    WHERE said.unit_id = one AND NOT said.surplus
      AND NOT EXISTS (SELECT 1 FROM annotate_annotation later WHERE later.supersedes_id = said.id);
    RETURN greatest(rule.minimum, CASE
        WHEN rule.taken > votes THEN rule.taken
        WHEN votes >= rule.cap OR pattern = ANY(rule.stops) THEN votes
        ELSE votes + 1 END);
END $$;

-- Has a unit want as many votes as the stopping rule says. The caller holds it as strongly as a move needs: one that is
-- wanted again goes to the end of its tier, where no cursor has passed.
CREATE OR REPLACE FUNCTION annotate_settle(one bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted integer := annotate_wanted(one);
BEGIN
    UPDATE annotate_unit SET overlap = wanted,
        position = CASE WHEN wanted > overlap THEN nextval('annotate_unit_position') ELSE position END
    WHERE id = one AND overlap <> wanted;
END $$;

-- The only place that changes how many slots of a unit are taken, and how many votes and checks a person has given: a
-- trigger of assignments, whatever code ends or begins them. A lease on gold that has votes enough (is_check) holds no
-- slot, and its answer is a check, not a vote; unless a slot became free meanwhile. Counting the votes anew took 75 ms
-- at 75,000 of them.
--
-- Where a lease ends without a vote, its slot may be one that nobody needs: an answer that was changed meanwhile has
-- settled the unit. Its slots can only become fewer by that, so that it stays where it is and the lock of the count
-- is strong enough.
CREATE OR REPLACE FUNCTION annotate_slot() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    held_before integer := 0;
    held_after integer := 0;
    counted integer := 0;
    checked integer := 0;
    wanted integer;
BEGIN
    IF TG_OP <> 'INSERT' AND (OLD.state = 'submitted' OR (OLD.state = 'live' AND NOT OLD.is_check)) THEN
        held_before := 1;
    END IF;
    IF TG_OP <> 'DELETE' AND (NEW.state = 'submitted' OR (NEW.state = 'live' AND NOT NEW.is_check)) THEN
        held_after := 1;
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.unit_id <> OLD.unit_id OR NEW.annotator_id <> OLD.annotator_id) THEN
        RAISE EXCEPTION 'an assignment stays with its unit and its annotator';
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.state = 'submitted' THEN counted := counted - 1; END IF;
    IF TG_OP <> 'DELETE' AND NEW.state = 'submitted' THEN counted := counted + 1; END IF;
    IF TG_OP <> 'INSERT' AND OLD.state = 'surplus' AND OLD.is_check THEN checked := checked - 1; END IF;
    IF TG_OP <> 'DELETE' AND NEW.state = 'surplus' AND NEW.is_check THEN checked := checked + 1; END IF;
    IF counted <> 0 OR checked <> 0 THEN
        UPDATE annotate_participation SET votes = votes + counted, checks = checks + checked
        WHERE annotator_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.annotator_id ELSE NEW.annotator_id END
          AND campaign_id = (SELECT campaign_id FROM annotate_unit
                             WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.unit_id ELSE NEW.unit_id END);
    END IF;
    IF held_after <> held_before THEN
        UPDATE annotate_unit SET taken = taken + held_after - held_before
        WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.unit_id ELSE NEW.unit_id END;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state = 'live' AND held_before = 1 AND held_after = 0 THEN
        wanted := annotate_wanted(NEW.unit_id);
        UPDATE annotate_unit SET overlap = wanted WHERE id = NEW.unit_id AND overlap > wanted;
    END IF;
    RETURN NULL;
END $$;

-- The same for a piece of a campaign, after a rule came into use. `last` is the last unit of the piece, null behind the
-- last piece; what others hold locked is passed by and counted.
CREATE OR REPLACE FUNCTION annotate_settle_piece(
    place bigint, after bigint, most integer, OUT last bigint, OUT skipped integer
) LANGUAGE plpgsql AS $$
DECLARE
    one bigint;
    piece bigint[] := ARRAY(SELECT id FROM annotate_unit WHERE campaign_id = place AND id > after ORDER BY id LIMIT most);
BEGIN
    skipped := cardinality(piece);
    last := piece[skipped];
    FOR one IN SELECT id FROM annotate_unit WHERE id = ANY(piece) FOR UPDATE SKIP LOCKED LOOP
        PERFORM annotate_settle(one);
        skipped := skipped - 1;
    END LOOP;
END $$;

-- Before a vote that may move its unit, or have it want another: of two votes at once the later sees the earlier. The
-- lock is as strong as the move will need it. Taken only then, both would have said something of the unit, which keeps
-- the other from moving it. So is its severity told of all votes.
CREATE OR REPLACE FUNCTION annotate_hold(place bigint, one bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF annotate_votes_decide(place) THEN
        PERFORM 1 FROM annotate_unit WHERE id = one FOR UPDATE;
    ELSE
        -- For its severity no more is needed.
        PERFORM 1 FROM annotate_unit WHERE id = one FOR NO KEY UPDATE;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION annotate_after_vote(place bigint, one bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF annotate_votes_decide(place) THEN
        PERFORM annotate_settle(one);
        PERFORM annotate_reorder(place, one, 1);
    END IF;
END $$;
