-- What people answered where the answer is known, one row for each person and gold unit: the answer as it stood an hour
-- after they first gave it. Before the hour is over they are not told; what they change after it, perhaps since they were
-- told, is a vote like any, and no better result. Whether the votes count is not asked: gold is read by more people than
-- its overlap. `was_known`: it was gold already when they answered. Who voted on a text that was promoted afterwards
-- agrees with it by construction, and is not compared.
CREATE OR REPLACE VIEW annotate_on_gold AS
SELECT first.annotator_id, unit.campaign_id, known.unit_id, known.id AS known_id, said.id AS annotation_id,
       said.code = answer.code AS is_right, first.created_at AS said_at, first.created_at > known.added_at AS was_known
FROM annotate_knownanswer known
JOIN annotate_unit unit ON unit.id = known.unit_id
JOIN labels_label answer ON answer.id = known.choice_id
JOIN annotate_annotation first
  ON first.unit_id = known.unit_id AND first.supersedes_id IS NULL AND first.annotator_id IS NOT NULL
CROSS JOIN LATERAL (
    SELECT last.id, option.code FROM annotate_annotation last LEFT JOIN labels_label option ON option.id = last.choice_id
    WHERE last.unit_id = first.unit_id AND last.annotator_id = first.annotator_id
      AND last.created_at <= first.created_at + interval '1 hour'
    ORDER BY last.id DESC LIMIT 1
) said
WHERE known.phase = 'gold' AND NOT unit.is_withdrawn AND said.code IS NOT NULL
  AND (first.created_at > known.added_at OR NOT known.is_promoted);
