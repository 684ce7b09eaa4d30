#pragma once

#include "storage/queue_store.hpp"
#include "tests/support/private_postgres.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace rowlock::test {

// A job of a tenant with the lane that its executions wait in.
struct queue_job {
    tenant_key tenant;
    job_key key;
    lane_id lane;
    int version = 1;
};

struct queue_job_options {
    int max_attempts = 3;
    bool idempotent = false;
    tenant_key tenant = default_tenant;
    std::string rules = "{}";            // further members of put_job_1's p_rules
};

// A migrated database with partitions for today, a session such as the service has, and a superuser who looks and prepares.
class queue_database {
public:
    queue_database();

    const std::string& url() const { return database_.url(); }
    // Of the role rowlock_app, for statements of the queue.
    storage::session& service() { return service_; }
    storage::session_options service_options() const { return {.url = url(), .kind = storage::session_kind::queue}; }

    queue_job job(std::string_view job_id, queue_job_options o = {});
    tenant_key tenant(std::string_view tenant_id);
    instance_id instance(std::chrono::seconds lease = std::chrono::seconds{30});
    // A limit on the lanes of these jobs.
    int limit(int max_running, const std::vector<queue_job>& on);

    // As superuser, with the schema in the search path.
    pqxx::result rows(const std::string& sql);
    // The first column of the first row, and "" for null.
    std::string value(const std::string& sql);
    // SQLSTATE of a statement that is refused; "" if it is not.
    std::string sqlstate(const std::string& sql);

    std::string status(const execution_id& id);
    // What violations() says, a line each: "" where all is well.
    std::string violations();

    // The database's clock goes this much ahead of the real one from here on.
    void move_clock(std::chrono::milliseconds ahead);

private:
    test_database database_;
    storage::session service_;
    std::unique_ptr<pqxx::connection> superuser_;
    bool clock_moves_ = false;
};

}
