#include "tests/crash/crew.hpp"
#include "tests/crash/history.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <csignal>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace {

using namespace rowlock::test;
namespace json = boost::json;

constexpr int steps = 5;

// Counts to five from where the last checkpoint says, a checkpoint each, and declares an artifact for each number.
const char* const counting = R"(n=0; test -n "$ROWLOCK_CHECKPOINT_FILE" && n=$(cat "$ROWLOCK_CHECKPOINT_FILE")
while test $n -lt 5; do
  n=$((n+1)); f="$ROWLOCK_RUN_DIR/part-$n"
  test -e "$f" || printf "part %s" $n > "$f"
  printf '{"artifact": "part-%s"}\n{"checkpoint": "%s"}\n' $n $(printf $n | base64) >&3
done)";

}

TEST_CASE("rule 14: a server may be killed at any checkpoint or artifact: the next attempt goes on from the last one, and each is recorded once", "[crash]")
{
    const test_database database;
    crew servers(database.url());
    servers.start("steady").define("counts", {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", counting}}, {"grace_seconds", 0}}, {{"idempotent", true}});
    for (const std::string step : {"checkpoint.before_commit:1", "checkpoint.before_commit:3", "checkpoint.after_commit:1", "checkpoint.after_commit:5", "artifact.before_commit:1",
                                   "artifact.before_commit:4", "artifact.after_commit:1", "artifact.after_commit:5"}) {
        INFO(step);
        std::string run;
        // Only the doomed one is there, so it runs what is submitted.
        servers.stop("steady");
        const auto code = servers.run_until_crash(step, [&] {
            run = text_at(http_request(servers.where().next(), "POST", "/v1/executions", R"({"job_id": "counts"})").json(), "/execution_id");
        });
        CHECK(code == -SIGKILL);
        auto& again = servers.start("steady");
        const auto last = again.ended(run);
        CHECK(last.at("status") == "COMPLETED");
        CHECK(last.at("attempt_number") == 2);
        CHECK(violations(database.url()) == std::vector<std::string>{});

        pqxx::connection session(database.url());
        pqxx::nontransaction sql(session);
        const auto kept = sql.exec(fmt::format("select convert_from(body, 'UTF8') from rowlock.checkpoints where run_id = '{}' order by checkpoint_number", run));
        REQUIRE(kept.size() == steps);
        for (int i = 0; i < steps; ++i) CHECK(kept[static_cast<pqxx::result::size_type>(i)][0].as<int>() == i + 1);
        const auto files = sql.exec(fmt::format("select name, sha256 = encode(sha256(convert_to(replace(name, 'part-', 'part '), 'UTF8')), 'hex') from rowlock.v_artifacts where run_id = '{}' order by name", run));
        REQUIRE(files.size() == steps);
        for (const auto& file : files) {
            INFO(file[0].as<std::string>());
            CHECK(file[1].as<bool>());
        }
    }
}
