#pragma once

#include "runtime/async/database.hpp"
#include "runtime/catalog/catalog.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/graph/compile.hpp"
#include "runtime/graph/graph.hpp"
#include "storage/plan_run_store.hpp"
#include "storage/plan_store.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rowlock::runtime {

// What a client asks for (POST /v1/plan-runs). One of plan_id and plan is given.
struct plan_run_request {
    std::string plan_id{};
    int plan_version = 0;                            // of plan_id; 0: the current one
    std::optional<boost::json::object> plan{};
    boost::json::object parameters{};                // over the plan's defaults
    std::string idempotency_key{};                   // empty: none
    std::string key_request{};                       // JSON text: what has to be equal for a replay
    std::string correlation_id{};
    std::string trace_parent{};
    boost::json::object tags{};                      // over the plan's; texts
    std::string contract_ref{};                      // instead of the plan's, if not empty
    std::string approval_ref{};
    std::optional<execution_id> parent{};            // the run of the composite job whose work it is
};

// What a client asks for (POST /v1/plan-runs/{id}/rerun).
struct plan_rerun_request {
    uuid of;                                         // the run before
    std::string from{};                              // the node to begin with; empty: what failed
    std::string idempotency_key{};                   // as above
    std::string key_request{};
    std::string trace_parent{};
    std::optional<execution_id> parent{};            // the composite job's run that runs it again
};

// A plan that is to be stored, as parse_plan gives it.
struct plan_to_store {
    plan_definition plan;
    std::string reason{};
    std::string if_match{};                          // as of jobs; empty: none
};

// Plans as they are stored and run. Each function resumes the caller on its core. Where a plan is refused, the errors' fields are those of the plan, below
// `plan.` where it came inline.
class plan_runs {
public:
    struct options {
        std::chrono::milliseconds priority_age{1000};
        std::chrono::milliseconds key_ttl = std::chrono::hours{24};
        int parallelism = 20;                        // EXECUTOR_PARALLELISM: so many items of a list are expected to run at a time
    };
    // Something is queued, or left to do (plan_step). Any thread.
    struct listeners {
        std::function<void()> advanced;
    };

    plan_runs(options o, database& db, catalog& jobs, identity& self, listeners tell) : options_(o), db_(db), jobs_(jobs), self_(self), tell_(std::move(tell)) {}

    // Checks what only the catalogue and the database know, and stores a plan. Errors: invalid_request, version_conflict.
    awaitable<result<storage::put_plan_answer>> put(principal who, plan_to_store plan, bool dry_run);
    // Several, of different ids, without If-Match: all of them or none. The fields of errors stand below plans[3].
    awaitable<result<std::vector<storage::put_plan_answer>>> put_all(principal who, std::vector<plan_to_store> plans, bool dry_run);

    // What a run of it would be, as graph_document says, with the expected seconds from history. Changes nothing.
    awaitable<result<boost::json::object>> preview(principal who, plan_run_request request);
    // Committed when it returns a value. Errors: invalid_request, dependency_cycle, not_found (no such plan), job_disabled, idempotency_key_reused.
    awaitable<result<storage::plan_run_made>> start(principal who, plan_run_request request);
    // A new run of the same plan with the same parameters: what has completed is kept, unless it is `from` or below it.
    // Errors: not_found, invalid_request (no such node), not_retryable (it has not ended), idempotency_key_reused.
    awaitable<result<storage::plan_run_made>> rerun(principal who, plan_rerun_request request);
    // Errors: not_found, already_ended.
    awaitable<result<void>> cancel(principal who, uuid id, std::string reason);
    // Nodes for a run that is under way: an array as in a plan; they may need nodes that are there. Errors: not_found, invalid_request, already_ended.
    awaitable<result<std::vector<std::string>>> add_nodes(principal who, uuid id, boost::json::array nodes);

    // The run as GET shows it: with execution_order, critical_path. Errors: not_found.
    awaitable<result<boost::json::object>> show(principal who, uuid id);
    // Its graph, each node with its status; for drawings. Errors: not_found.
    awaitable<result<graph>> drawing(principal who, uuid id);
    // The graph of a plan that is stored or given, without a run.
    awaitable<result<graph>> drawing_of(principal who, plan_run_request request);

private:
    struct prepared;
    // Nodes whose results are those of nodes of earlier runs: by number, run and number there.
    struct kept_nodes {
        std::optional<uuid> rerun_of{};
        std::vector<std::optional<std::pair<uuid, int>>> of{};
    };

    struct run_and_nodes {
        storage::plan_run_row run;
        std::vector<storage::plan_run_node> nodes;
    };

    // Errors: not_found.
    awaitable<result<run_and_nodes>> read_run(tenant_key tenant, uuid id);
    awaitable<result<void>> check(tenant_key tenant, plan_definition& plan);
    // Takes the plan of the request.
    awaitable<result<prepared>> prepare(principal who, plan_run_request& request);
    awaitable<result<void>> store_inline_jobs(principal who, prepared& p);
    awaitable<result<storage::plan_run_made>> store(principal who, prepared p, plan_run_request request, kept_nodes kept);
    awaitable<std::vector<double>> expected(const prepared& p);
    // The graph of a plan that has not been run, with what runs at a time of its lists.
    graph graph_with_widths(const prepared& p) const;
    // Empty: history does not know all of these jobs.
    awaitable<std::vector<double>> expected_seconds(std::vector<job_key> jobs);
    // nullopt: others have added some meanwhile.
    awaitable<result<std::optional<std::vector<std::string>>>> try_add_nodes(principal who, uuid id, boost::json::array added);

    options options_;
    database& db_;
    catalog& jobs_;
    identity& self_;
    listeners tell_;
};

}
