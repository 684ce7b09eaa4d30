#pragma once

#include "storage/array.hpp"
#include "storage/model/error.hpp"
#include "storage/model/ids.hpp"
#include "storage/page.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// Runs of plans. Every function is one transaction. How a run goes on stands in the migrations 0008 and 0009. Texts that end in _json are what the API shows.

// The columns of nodes, in the order of their numbers.
struct plan_node_columns {
    using e = array::element;
    array node_id{e::text}, job{e::int4}, version{e::int4}, lane{e::int4}, priority{e::int2}, wait_ms{e::int8}, gate{e::int2}, layer{e::int4}, needs{e::int4},
        fallback{e::int4}, fallback_of{e::int4}, parameters{e::json}, refs{e::text}, for_each{e::text}, tags{e::text};
    // Of each node: the numbers of the nodes that need it, and the kinds of the edges, as PostgreSQL's array text; conditions as a JSON array, null: none.
    array to{e::text}, kind{e::text}, condition{e::text};
    // Nodes of earlier runs whose results stand for these; empty: none.
    array kept_run{e::uuid}, kept_no{e::int4};
};

struct new_plan_run {
    uuid id;
    tenant_key tenant;
    std::int32_t plan = 0;               // 0: it came with the submission
    int plan_version = 0;
    std::optional<uuid> rerun_of{};
    std::optional<execution_id> parent{};    // the run of the composite job whose work it is
    std::string definition;
    std::string parameters = "{}";
    bool fail_fast = false;
    std::string correlation_id{}, trace_parent{}, tags{}, submitter{}, contract_ref{}, approval_ref{};     // empty: none
    std::string key{};                   // idempotency key; empty: none
    std::string key_request{};           // JSON text: what has to be equal for a replay
};
struct plan_run_made {
    uuid id;
    bool replayed = false;               // the run was there: of the same key, or of the same parent and under way
};
// Errors: idempotency_key_reused.
result<plan_run_made> create_plan_run(session& s, const new_plan_run& run, std::chrono::milliseconds priority_age, std::chrono::milliseconds key_ttl,
                                      plan_node_columns& nodes);

// The run that this key gave to the same request before; none: it is not in use, or was used with another request.
std::optional<uuid> find_plan_replay(session& s, tenant_key tenant, const std::string& key, const std::string& key_request);

// Goes on with what was left to do for plans. false: there is nothing, or others are at it.
bool plan_step(session& s);

// Nothing of it starts any more; what runs is cancelled by plan_step. Errors: not_found, already_ended.
result<void> cancel_plan_run(session& s, tenant_key tenant, const uuid& id, const std::string& actor, const std::string& reason);

// Edges from nodes that are there to added ones, by number among the added.
struct added_edge_columns {
    using e = array::element;
    array from{e::int4}, to{e::int4}, kind{e::int2}, condition{e::text};
};
// `base`: the number of the first, from which on the columns count; nullopt: others have added some meanwhile, and nothing was done. Errors: already_ended: the run does not go on, or has a node of such a name.
result<std::optional<int>> add_plan_nodes(session& s, const uuid& run, int base, plan_node_columns& nodes, added_edge_columns& edges);

// What a rerun, an addition or a drawing must know of a node, in the order of the numbers.
struct plan_run_node {
    std::string node_id;
    std::string status;
    job_key job;
    std::string job_id;
    int layer = 0;
    bool gate = false;
    bool for_each = false;
    std::optional<int> items{};          // of for_each, once they are known
    std::optional<int> job_limit{};      // of for_each: concurrency.max_running of the job, if it has one
    std::optional<int> fallback{};
    std::optional<int> fallback_of{};
    std::vector<int> to;                 // the numbers of those that need it, added ones included
    std::vector<int> kinds;              // of these edges, as the database has them
    std::vector<std::string> conditions; // of these edges; "": none
    std::optional<uuid> kept_run{};
    std::optional<int> kept_no{};
};
struct plan_run_row {
    std::int32_t plan = 0;
    std::string plan_id;                 // empty: none
    int plan_version = 0;
    std::string definition;
    std::string parameters;
    std::string status;
    std::string correlation_id, tags, contract_ref, approval_ref;
};
std::optional<plan_run_row> find_plan_run(session& s, tenant_key tenant, const uuid& id);
std::vector<plan_run_node> plan_run_nodes(session& s, const uuid& id);
// The last run of this composite job's run, if there is one: its id and status.
struct child_plan_run {
    uuid id;
    std::string status;
};
std::optional<child_plan_run> last_plan_run_of(session& s, const execution_id& parent_run);
std::optional<std::string> plan_run_status(session& s, const uuid& id);

// The run with its nodes, without layers and the critical path, which whoever knows the graph adds.
std::optional<std::string> find_plan_run_json(session& s, tenant_key tenant, const uuid& id);
// Newest first; filters that are empty do not filter.
struct plan_run_filter {
    std::string plan_id{};
    std::string status{};
    std::string correlation_id{};
};
page list_plan_runs_json(session& s, tenant_key tenant, const plan_run_filter& filter, int limit, const std::string& cursor);

// How long a job's executions take: the mean of the last ones that completed, in seconds, in the order of the jobs; negative: nobody knows.
std::vector<double> expected_seconds(session& s, const std::vector<job_key>& jobs);

}
