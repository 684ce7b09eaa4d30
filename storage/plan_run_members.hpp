#pragma once

// The members of a run of a plan as lists show it, for json_build_object over a row `v` of v_plan_runs: one place for its shape.
#define ROWLOCK_PLAN_RUN_MEMBERS \
    "'plan_run_id', v.plan_run_id, 'plan_id', v.plan_id, 'plan_version', v.plan_version, 'tenant_id', v.tenant_id, 'status', v.status, 'rerun_of', v.rerun_of," \
    " 'parent_run_id', v.parent_run_id, 'on_failure', v.on_failure, 'parameters', v.parameters, 'node_count', v.nodes, 'nodes_ended', v.nodes_ended," \
    " 'nodes_failed', v.nodes_failed, 'correlation_id', v.correlation_id, 'tags', v.tags, 'submitter', coalesce(v.submitter, 'local'), 'contract_ref', v.contract_ref," \
    " 'approval_ref', v.approval_ref, 'created_time', rfc3339(v.created_time), 'completed_time', rfc3339(v.completed_time)," \
    " 'cancel_requested_time', rfc3339(v.cancel_requested_time), 'cancelled_by', v.cancelled_by, 'cancel_reason', v.cancel_reason"
