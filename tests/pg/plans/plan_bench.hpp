#pragma once

#include "runtime/graph/compile.hpp"
#include "storage/plan_run_store.hpp"
#include "tests/pg/queue/queue_traffic.hpp"

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <string>

namespace rowlock::test {

// Plans on a database without a server: stored as the runtime stores them, and run by hand.
class plan_bench {
public:
    plan_bench();

    queue_database db;
    instance_id me;

    // A job with rules of its own, before a plan names it.
    void define(const std::string& job_id, queue_job_options o) { jobs_[job_id] = db.job(job_id, std::move(o)); }

    // A run of the plan with this JSON text, whose nodes name jobs that are made if they are new. `kept`: by node_id, of the run before.
    uuid start(std::string_view plan, const storage::new_plan_run& like = {}, const std::map<std::string, std::pair<uuid, int>>& kept = {});

    // Claims what waits, at most `budget` executions.
    std::vector<storage::claimed_extent> take(int budget = 1'000'000) { return claim(db.service(), me, budget); }
    // Ends them, each as `how` says of its node.
    void settle(const std::vector<storage::claimed_extent>& extents, const std::function<execution_status(const std::string& node_id)>& how,
                const std::string& outputs = R"({"n": 5})");
    // Runs all there is, until nothing moves any more.
    void run(const std::function<execution_status(const std::string& node_id)>& how, int budget = 1'000'000);
    // Goes on with what was left to do, until nothing is.
    void step();

    // Of each node, in alphabetical order: "a:COMPLETED b:SKIPPED".
    std::string nodes(const uuid& run);
    std::string status(const uuid& run);

private:
    std::map<std::string, queue_job> jobs_;
};

}
