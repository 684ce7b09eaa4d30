#include "tests/support/server_process.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>
#include <set>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

std::set<std::string> columns_of(const std::string& view)
{
    pqxx::connection session(open_server_database());
    pqxx::nontransaction sql(session);
    std::set<std::string> out;
    for (const auto& row : sql.exec("select column_name from information_schema.columns where table_schema = 'rowlock' and table_name = " + sql.quote(view))) {
        out.insert(row[0].as<std::string>());
    }
    return out;
}

}

TEST_CASE("the views have the contract's names and the columns of the JSON, each with a comment", "[e2e][sql]")
{
    struct row {
        const char* view;
        std::vector<const char*> columns;
    };
    const auto& r = GENERATE(values<row>({
        {"v_executions", {"execution_id", "run_id", "parent_execution_id", "job_id", "job_version", "tenant_id", "status", "trigger_type", "trigger_id", "parameters", "fingerprint",
                          "priority", "scheduled_time", "queued_time", "started_time", "completed_time", "attempt_number", "checkpoint", "correlation_id", "tags", "instance_id", "fence",
                          "replay_of", "waiting_on", "result_status", "exit_code", "error_code", "error_message", "records_processed", "records_failed", "duration_seconds", "metrics", "outputs"}},
        {"v_runs", {"run_id", "status"}},
        {"v_transitions", {"execution_id", "at", "from_status", "to_status", "actor", "fence", "reason"}},
        {"v_checkpoints", {"execution_id", "checkpoint_number", "size_bytes", "sha256", "stage", "created_time"}},
        {"v_artifacts", {"execution_id", "run_id", "name", "size_bytes", "sha256", "created_time"}},
        {"v_queue", {"job_id", "tenant_id", "priority"}},
        {"v_jobs", {"job_id", "tenant_id", "version", "enabled"}},
        {"v_job_versions", {"job_id", "version", "author", "reason", "created_time"}},
    }));
    INFO(r.view);
    const auto columns = columns_of(r.view);
    for (const char* column : r.columns) {
        INFO(column);
        CHECK(columns.count(column) == 1);
    }
    pqxx::connection session(open_server_database());
    pqxx::nontransaction sql(session);
    const auto bare = sql.exec("select a.attname from pg_attribute a where a.attrelid = ('rowlock.' || " + sql.quote(std::string(r.view)) +
                               ")::regclass and a.attnum > 0 and col_description(a.attrelid, a.attnum) is null");
    for (const auto& one : bare) FAIL_CHECK(one[0].as<std::string>() + " has no comment");
}

TEST_CASE("SQL tells of an execution what the API tells", "[e2e][sql]")
{
    auto& server = open_server();
    server.define("sql-same", {{"type", "fail"}, {"error_code", "WHY"}, {"times", 1}}, {{"retry_policy", {{"max_attempts", 1}}}});
    const auto end = server.run("sql-same", {{"n", 1}});
    pqxx::connection session(open_server_database());
    pqxx::nontransaction sql(session);
    const auto row = sql.exec1("select status, job_id, parameters->>'n', error_code, result_status, fingerprint, attempt_number from rowlock.v_executions where execution_id = " +
                               sql.quote(text_at(end, "/execution_id")));
    CHECK(row[0].as<std::string>() == "FAILED");
    CHECK(row[1].as<std::string>() == "sql-same");
    CHECK(row[2].as<std::string>() == "1");
    CHECK(row[3].as<std::string>() == "WHY");
    CHECK(row[4].as<std::string>() == "FAILED");
    CHECK(row[5].as<std::string>() == text_at(end, "/fingerprint"));
    CHECK(row[6].as<int>() == 1);
}

TEST_CASE("the database refuses to change history, even to its owner", "[e2e][sql]")
{
    auto& server = open_server();
    server.define("sql-history", {{"type", "noop"}});
    const auto id = text_at(server.run("sql-history"), "/execution_id");
    pqxx::connection session(open_server_database());
    for (const std::string statement : {"update rowlock.results set status = 6", "delete from rowlock.results", "truncate rowlock.results cascade", "update rowlock.executions set priority = 9",
                                        "delete from rowlock.executions", "truncate rowlock.executions cascade", "update rowlock.job_versions set reason = 'x'", "delete from rowlock.job_versions",
                                        "truncate rowlock.job_versions cascade", "delete from rowlock.v_executions"}) {
        INFO(statement);
        pqxx::work sql(session);
        CHECK_THROWS_AS(sql.exec(statement), pqxx::sql_error);
    }
    CHECK(server.status_of(id) == "COMPLETED");
}

TEST_CASE("after all that these tests did, the rows agree with each other", "[e2e][sql]")
{
    pqxx::connection session(open_server_database());
    pqxx::nontransaction sql(session);
    for (const auto& row : sql.exec("select rule, detail from rowlock.violations()")) FAIL_CHECK(row[0].as<std::string>() + ": " + row[1].as<std::string>());
}
