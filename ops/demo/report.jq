# The report of a demo from what `rowlock execution list --format json` gives, all attempts of it. Says the same as report.sql.
def microseconds: (.[0:19] + "Z" | fromdateiso8601) * 1000000 + ("0" + .[19:-1] | tonumber * 1000000 | round);
def sum_of(f): map(f) | add // 0;
[.items[] | select(.status == "COMPLETED")] | map(.result.outputs) as $outputs | {
  executions: length,
  packages: ($outputs | map(.package) | unique | length),
  without_checksums: ($outputs | map(select(.has_checksums | not)) | length),
  files: ($outputs | sum_of(.files)),
  mismatches: ($outputs | sum_of(.mismatches)),
  missing: ($outputs | sum_of(.missing)),
  unreadable: ($outputs | sum_of(.unreadable)),
  lost_attempts: sum_of(.attempt_number - 1),
  microseconds: (if length == 0 then 0 else (map(.completed_time | microseconds) | max) - (map(.started_time | microseconds) | min) end)
}
