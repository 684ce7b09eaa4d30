#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

// The database refuses the next rows that a statement writes, with one SQLSTATE. (A sequence counts on when its transaction does not.)
class refusals {
public:
    refusals(const std::string& database, const std::string& event, const std::string& sqlstate, int times) : session_(database)
    {
        run(fmt::format(R"sql(
            set search_path = rowlock;
            create sequence refusals;
            create function refuse() returns trigger language plpgsql security definer set search_path = rowlock as $$
            begin
                if nextval('refusals') <= {} then raise exception 'refused for the test' using errcode = '{}'; end if;
                return new;
            end $$;
            create trigger refuse before {} execute function refuse())sql",
                        times, sqlstate, event));
    }

    int asked() { return run("select last_value from refusals").at(0).at(0).as<int>(); }

private:
    pqxx::result run(const std::string& sql)
    {
        pqxx::nontransaction tx(session_);
        return tx.exec(sql);
    }

    pqxx::connection session_;
};

constexpr const char* a_result = "insert on results for each row";
constexpr const char* an_execution = "insert on executions for each row";
constexpr const char* a_claim = "update on extents for each row when (old.owner is null and new.owner is not null)";

}

TEST_CASE("what the database refuses for a reason that passes is tried again: nothing fails, nothing is lost", "[crash][refused]")
{
    constexpr int times = 3;
    const std::string sqlstate = GENERATE("40P01", "40001", "53100", "53200", "55P03", "57014", "58030", "57P01");
    const test_database database;
    crew servers(database.url());
    auto& server = servers.start("alone");
    const json::object quickly{{"max_attempts", 3}, {"initial_delay_seconds", 0.05}};
    server.define("noop", json::object{{"type", "noop"}});
    server.define("fails-once", json::object{{"type", "fail"}, {"error_code", "ON_PURPOSE"}, {"times", 1}}, {{"retry_policy", quickly}});
    struct row {
        const char* what;
        const char* event;
        const char* job;
        int attempts;
    };
    // The second attempt waits in the queue, and is claimed.
    for (const auto& each : {row{"a result", a_result, "noop", 1}, row{"a submission", an_execution, "noop", 1}, row{"a claim", a_claim, "fails-once", 2}}) {
        INFO(each.what << ", " << sqlstate);
        {
            refusals refused(database.url(), each.event, sqlstate, times);
            const auto last = server.run(each.job);
            CHECK(text_at(last, "/status") == "COMPLETED");
            CHECK(last.at("attempt_number") == each.attempts);
            CHECK(refused.asked() > times);
        }
        pqxx::connection session(database.url());
        pqxx::nontransaction(session).exec("drop function rowlock.refuse() cascade; drop sequence rowlock.refusals");
    }
    CHECK(server.metric("rowlock_outcomes_lost_total") == 0);
    await_idle(database.url());
    check_history(database.url(), {});
}

TEST_CASE("a submission that the database refuses for long is answered 503 with Retry-After, and its repeat is stored once", "[crash][refused]")
{
    const test_database database;
    crew servers(database.url());
    auto& server = servers.start("alone");
    server.define("noop", json::object{{"type", "noop"}});
    const json::object body{{"job_id", "noop"}, {"correlation_id", "refused"}};
    const http_fields key{{"Idempotency-Key", "refused"}};
    {
        const refusals disk_full(database.url(), an_execution, "53100", 1'000'000);
        const auto reply = server.post("/v1/executions", body, key);
        CHECK(reply.status == 503);
        CHECK(!reply.field("Retry-After").empty());
    }
    pqxx::connection session(database.url());
    pqxx::nontransaction(session).exec("drop function rowlock.refuse() cascade");
    const auto again = server.post("/v1/executions", body, key);
    CHECK(again.status == 201);
    CHECK(text_at(server.ended(text_at(again.json(), "/execution_id")), "/status") == "COMPLETED");
    CHECK(value_of(database.url(), "select count(*) from rowlock.executions where correlation_id = 'refused'") == "1");
    await_idle(database.url());
    check_history(database.url(), {});
}
