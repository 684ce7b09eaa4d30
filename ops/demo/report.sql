-- The report of a demo as one row of JSON. :'demo' is the correlation_id that its executions share. Of each run the last attempt counts.
select json_build_object(
    'executions', count(*),
    'packages', count(distinct outputs->>'package'),
    'without_checksums', count(*) filter (where not (outputs->>'has_checksums')::boolean),
    'files', coalesce(sum((outputs->>'files')::bigint), 0),
    'mismatches', coalesce(sum((outputs->>'mismatches')::bigint), 0),
    'missing', coalesce(sum((outputs->>'missing')::bigint), 0),
    'unreadable', coalesce(sum((outputs->>'unreadable')::bigint), 0),
    'lost_attempts', coalesce(sum(attempt_number - 1), 0),
    'microseconds', coalesce((extract(epoch from max(completed_time) - min(started_time)) * 1000000)::bigint, 0))
from rowlock.v_executions
where correlation_id = :'demo' and job_id = 'verify_package' and status = 'COMPLETED' and next_execution_id is null;
