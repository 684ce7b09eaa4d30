#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"
#include "tests/support/server_process.hpp"
#include "tests/support/stub_http.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <future>
#include <pqxx/pqxx>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

json::object shell(const std::string& script, double grace = 1)
{
    return {{"type", "process"}, {"command", json::array{"/bin/sh", "-c", script}}, {"grace_seconds", grace}};
}

json::object once(json::object more = {})
{
    more["retry_policy"] = json::object{{"max_attempts", 1}};
    return more;
}

json::object twice(json::object more = {})
{
    more["retry_policy"] = json::object{{"max_attempts", 2}, {"initial_delay_seconds", 0}};
    return more;
}

std::string log_of(const std::string& id) { return open_server().get("/v1/executions/" + id + "/log").body; }

json::array items_of(const std::string& path)
{
    const auto reply = open_server().get(path);
    REQUIRE(reply.status == 200);
    return reply.json().at("items").as_array();
}

// The errors of an execution with this code: their details.
std::vector<json::value> errors_of(const std::string& id, const std::string& code, const std::string& database = open_server_database())
{
    pqxx::connection session(database);
    pqxx::nontransaction sql(session);
    std::vector<json::value> found;
    for (const auto& row : sql.exec("select details, queue from rowlock.v_errors where execution_id = " + sql.quote(id) + " and error_code = " + sql.quote(code))) {
        CHECK(row[1].as<std::string>() == "execution_errors");
        found.push_back(json::parse(row[0].c_str()));
    }
    return found;
}

class on_scope_exit {
public:
    explicit on_scope_exit(std::function<void()> act) : act_(std::move(act)) {}
    ~on_scope_exit() { act_(); }
    on_scope_exit(const on_scope_exit&) = delete;
    on_scope_exit& operator=(const on_scope_exit&) = delete;

private:
    std::function<void()> act_;
};

std::vector<std::string> reasons_of(const std::string& id)
{
    std::vector<std::string> out;
    for (const auto& each : items_of("/v1/executions/" + id + "/transitions?limit=1000")) out.push_back(text_at(each, "/reason"));
    return out;
}

// The seconds from the start of an execution to the deadline that it was told, the first word of `told`.
double given_time(const std::string& database, const std::string& id, const std::string& told)
{
    pqxx::connection session(database);
    pqxx::nontransaction sql(session);
    const auto rows = sql.exec("select extract(epoch from " + sql.quote(told.substr(0, told.find(' '))) + "::timestamptz - started_time) from rowlock.v_executions where execution_id = " + sql.quote(id));
    return rows.at(0)[0].as<double>();
}

// The attempt of a job with a timeout of 0.4 seconds.
void check_timed_out(const json::value& end, const std::string& termination)
{
    INFO(end);
    CHECK(end.at("status") == "TIMEOUT");
    CHECK(end.at_pointer("/result/status") == "TIMEOUT");
    CHECK(end.at_pointer("/result/error_code") == "TIMEOUT");
    CHECK(text_at(end, "/result/termination") == termination);
    const auto errors = errors_of(text_at(end, "/execution_id"), "TIMEOUT");
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].at("timeout_seconds").to_number<double>() == 0.4);
    CHECK(errors[0].at("elapsed_seconds").to_number<double>() >= 0.4);
    CHECK(errors[0].at("last_heartbeat").is_null());
    CHECK(errors[0].at("checkpoint_available") == false);
    CHECK(text_at(errors[0], "/termination_method") == termination);
}

}

TEST_CASE("rule 12: TERMINATE asks, waits for the grace, then kills, and says which it was", "[e2e][timeouts]")
{
    struct row {
        const char* why;
        json::object handler;
        const char* termination;
    };
    const auto r = GENERATE(values<row>({
        {"a program that ends at SIGTERM by itself", shell("trap 'echo bye; exit 3' TERM; while :; do sleep 0.05; done", 30), "GRACEFUL"},
        {"a program that SIGTERM ends", shell("sleep 600", 30), "GRACEFUL"},
        {"a program that ignores SIGTERM", shell("trap '' TERM; sleep 600; sleep 600", 0.2), "FORCED"},
        {"sleep", {{"type", "sleep"}, {"seconds", 600}}, "GRACEFUL"},
    }));
    INFO(r.why);
    auto& server = open_server();
    server.define("timeout-terminate", r.handler, once({{"timeout_seconds", 0.4}}));
    check_timed_out(server.run("timeout-terminate"), r.termination);
}

TEST_CASE("rule 12: a call that is not answered in time is given up", "[e2e][timeouts][http]")
{
    std::promise<void> over;
    const stub_http silent([until = over.get_future().share()](const stub_request&) {
        until.wait();
        return stub_reply{};
    });
    const on_scope_exit answers([&over] { over.set_value(); });
    auto& server = open_server();
    server.define("timeout-call", {{"type", "http"}, {"url", silent.url()}, {"method", "POST"}}, once({{"timeout_seconds", 0.4}}));
    check_timed_out(server.run("timeout-call"), "GRACEFUL");
}

TEST_CASE("rule 12: what a program has started goes with it", "[e2e][timeouts]")
{
    const scratch_folder folder;
    const auto pid_file = (folder.path() / "pid").string();
    auto& server = open_server();
    server.define("timeout-grandchild", shell("(trap '' TERM; sh -c 'echo $PPID' > " + pid_file + "; sleep 600; sleep 600) & sleep 600"), once({{"timeout_seconds", 0.5}}));
    CHECK(server.run("timeout-grandchild").at("status") == "TIMEOUT");
    const auto pid = std::stoi(text_of_file(pid_file));
    REQUIRE(pid > 1);
    eventually("the grandchild is gone", [&] { return ::kill(pid, 0) != 0 && errno == ESRCH; });
}

TEST_CASE("rule 12: WARN records the timeout once, and the job goes on", "[e2e][timeouts]")
{
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    auto& server = open_server();
    server.define("timeout-warn", shell("while ! test -e " + gate + "; do sleep 0.05; done"), once({{"timeout_seconds", 0.2}, {"timeout_action", "WARN"}}));
    const auto id = server.submit("timeout-warn");
    eventually("it is recorded", [&] { return errors_of(id, "TIMEOUT_WARNING").size() == 1; });
    CHECK(server.status_of(id) == "RUNNING");
    write_file(gate, "");
    CHECK(server.ended(id).at("status") == "COMPLETED");
    const auto errors = errors_of(id, "TIMEOUT_WARNING");
    REQUIRE(errors.size() == 1);
    CHECK(text_at(errors[0], "/execution_id") == id);
    CHECK(errors[0].at("timeout_seconds").to_number<double>() == 0.2);
    CHECK(errors[0].at("termination_method").is_null());
    CHECK(log_of(id).find("timeout_seconds of 0.2") != std::string::npos);
}

TEST_CASE("rule 12: EXTEND gives the time again while there are signs of life, and says so in the transitions", "[e2e][timeouts]")
{
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    auto& server = open_server();
    const json::object policy{{"timeout_seconds", 0.5}, {"timeout_action", "EXTEND"}, {"max_extensions", 1000}};
    server.define("timeout-extend", shell("while ! test -e " + gate + "; do echo '{\"progress\": 0.5}' >&3; sleep 0.05; done"), once(policy));
    const auto id = server.submit("timeout-extend");
    eventually("it is extended twice", [&] {
        const auto reasons = reasons_of(id);
        return std::count(reasons.begin(), reasons.end(), "timeout extended, 1 of 1000") == 1 && std::count(reasons.begin(), reasons.end(), "timeout extended, 2 of 1000") == 1;
    });
    write_file(gate, "");
    CHECK(server.ended(id).at("status") == "COMPLETED");
    for (const auto& each : items_of("/v1/executions/" + id + "/transitions?limit=1000")) {
        if (text_at(each, "/reason").rfind("timeout extended", 0) != 0) continue;
        CHECK(each.at("from_status") == "RUNNING");
        CHECK(each.at("to_status") == "RUNNING");
    }
}

TEST_CASE("rule 12: EXTEND ends with the last extension, and at once where there is no sign of life", "[e2e][timeouts]")
{
    struct row {
        const char* why;
        const char* script;
        double least;
        const char* message;
    };
    const auto r = GENERATE(values<row>({
        {"signs without end", "while :; do echo '{\"heartbeat\": true}' >&3; sleep 0.05; done", 1.2, "extended 2 times"},
        {"no sign", "sleep 600", 0.4, "timeout_seconds of 0.4."},
    }));
    INFO(r.why);
    auto& server = open_server();
    server.define("timeout-extended", shell(r.script), once({{"timeout_seconds", 0.4}, {"timeout_action", "EXTEND"}, {"max_extensions", 2}}));
    const auto end = server.run("timeout-extended");
    INFO(end);
    CHECK(end.at("status") == "TIMEOUT");
    CHECK(end.at_pointer("/result/duration_seconds").to_number<double>() >= r.least);
    CHECK(text_at(end, "/result/error_message").find(r.message) != std::string::npos);
}

TEST_CASE("rule 13: an attempt that falls silent has failed, and what it started goes with it", "[e2e][heartbeats]")
{
    const scratch_folder folder;
    const auto pid_file = (folder.path() / "pid").string();
    auto& server = open_server();
    server.define("heartbeat-lost", shell("echo '{\"heartbeat\": true}' >&3; sleep 600 & echo $! > " + pid_file + "; wait"),
                  once({{"heartbeat", {{"interval_seconds", 1}, {"missed_limit", 1}}}}));
    const auto end = server.run("heartbeat-lost");
    INFO(end);
    CHECK(end.at("status") == "FAILED");
    CHECK(end.at_pointer("/result/error_code") == "HEARTBEAT_LOST");
    CHECK(end.at_pointer("/result/termination") == "GRACEFUL");
    CHECK(end.at_pointer("/result/duration_seconds").to_number<double>() >= 1);
    const auto pid = std::stoi(text_of_file(pid_file));
    eventually("its child is gone", [&] { return ::kill(pid, 0) != 0 && errno == ESRCH; });
    const auto errors = errors_of(text_at(end, "/execution_id"), "HEARTBEAT_LOST");
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].at("last_heartbeat").is_string());
    CHECK(errors[0].at("missed_heartbeats") == 1);
}

TEST_CASE("rule 13: an attempt that gives signs of life goes on, and one without the rule is not asked for any", "[e2e][heartbeats]")
{
    auto& server = open_server();
    const json::object policy{{"heartbeat", {{"interval_seconds", 1}, {"missed_limit", 3}}}};
    server.define("heartbeat-kept", shell("for i in 1 2 3 4 5 6 7 8 9; do echo \"{\\\"output\\\": {\\\"at\\\": $i}}\" >&3; sleep 0.45; done"), once(policy));
    server.define("heartbeat-sleep", {{"type", "sleep"}, {"seconds", 3.5}}, once(policy));
    server.define("heartbeat-none", shell("sleep 3.5"), once());
    std::vector<std::string> ids;
    for (const char* job : {"heartbeat-kept", "heartbeat-sleep", "heartbeat-none"}) ids.push_back(server.submit(job));
    for (const auto& id : ids) CHECK(server.ended(id).at("status") == "COMPLETED");
}

TEST_CASE("rule 14: within an interval one checkpoint is kept, and the newest when the attempt fails", "[e2e][checkpoints]")
{
    auto& server = open_server();
    // one, two, three, four in base64; the second attempt shows what it is given.
    server.define("checkpoint-interval", shell(R"(if test -n "$ROWLOCK_CHECKPOINT_FILE"; then cat "$ROWLOCK_CHECKPOINT_FILE"; exit 0; fi
echo "every $ROWLOCK_CHECKPOINT_INTERVAL_SECONDS"
printf '{"checkpoint": "b25l"}\n{"checkpoint": "dHdv"}\n{"checkpoint": "dGhyZWU="}\n{"checkpoint": "Zm91cg=="}\n' >&3; exit 1)"),
                  twice({{"checkpoint", {{"interval_seconds", 3600}}}}));
    const auto end = server.run("checkpoint-interval");
    REQUIRE(end.at("status") == "COMPLETED");
    CHECK(log_of(text_at(end, "/execution_id")) == "four");
    CHECK(log_of(text_at(end, "/run_id")) == "every 3600\n");
    const auto kept = items_of("/v1/executions/" + text_at(end, "/run_id") + "/checkpoints");
    REQUIRE(kept.size() == 2);
    CHECK(kept[0].at("sha256") == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    CHECK(kept[1].at("size_bytes") == 4);
}

TEST_CASE("rule 14: with on_stage the first checkpoint of each stage is kept, whatever the interval", "[e2e][checkpoints]")
{
    auto& server = open_server();
    server.define("checkpoint-stage", shell(R"(for s in extract extract load load check; do printf '{"checkpoint": "b25l", "stage": "%s"}\n' $s >&3; done)"),
                  once({{"checkpoint", {{"interval_seconds", 3600}, {"on_stage", true}}}}));
    const auto end = server.run("checkpoint-stage");
    REQUIRE(end.at("status") == "COMPLETED");
    std::vector<std::string> stages;
    for (const auto& each : items_of("/v1/executions/" + text_at(end, "/execution_id") + "/checkpoints")) stages.push_back(text_at(each, "/stage"));
    CHECK(stages == std::vector<std::string>{"extract", "load", "check"});
}

TEST_CASE("rule 14: a checkpoint over max_bytes is refused and recorded, and the job goes on", "[e2e][checkpoints]")
{
    auto& server = open_server();
    server.define("checkpoint-large", shell(R"(printf '{"checkpoint": "dGhyZWU="}\n{"checkpoint": "b25l"}\n' >&3)"), once({{"checkpoint", {{"max_bytes", 4}}}}));
    const auto end = server.run("checkpoint-large");
    REQUIRE(end.at("status") == "COMPLETED");
    const auto id = text_at(end, "/execution_id");
    CHECK(items_of("/v1/executions/" + id + "/checkpoints").size() == 1);
    CHECK(log_of(id).find("checkpoint.max_bytes is 4") != std::string::npos);
    const auto errors = errors_of(id, "CHECKPOINT_TOO_LARGE");
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].at("size_bytes") == 5);
}

TEST_CASE("rule 14: a damaged checkpoint is recorded once, and the next older good one is used, or none", "[e2e][checkpoints]")
{
    struct row {
        const char* why;
        const char* damaged;
        const char* resumed;
        std::vector<int> recorded;
        const char* scope;
    };
    const auto r = GENERATE(values<row>({
        {"the newest", "3", "two", {3}, "since checkpoint 2"},
        {"the two newest", "2, 3", "one", {2, 3}, "since checkpoint 1"},
        {"all", "1, 2, 3", "none", {1, 2, 3}, "from the beginning"},
    }));
    INFO(r.why);
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    auto& server = open_server();
    server.define("checkpoint-damaged", shell("if test $ROWLOCK_ATTEMPT_NUMBER != 1; then if test -n \"$ROWLOCK_CHECKPOINT_FILE\"; then cat \"$ROWLOCK_CHECKPOINT_FILE\"; else printf none; fi; exit 1; fi\n"
                                              "printf '{\"checkpoint\": \"b25l\"}\\n{\"checkpoint\": \"dHdv\"}\\n{\"checkpoint\": \"dGhyZWU=\"}\\n' >&3; while ! test -e " + gate + "; do sleep 0.05; done; exit 1"),
                  {{"retry_policy", {{"max_attempts", 3}, {"initial_delay_seconds", 0}}}});
    const auto first = server.submit("checkpoint-damaged");
    eventually("three are kept", [&] { return items_of("/v1/executions/" + first + "/checkpoints").size() == 3; });
    {
        pqxx::connection superuser(open_server_database());
        pqxx::work tx(superuser);
        tx.exec("alter table rowlock.checkpoints disable trigger checkpoints_append_only");
        tx.exec("update rowlock.checkpoints set body = 'other'::bytea where run_id = " + tx.quote(first) + " and checkpoint_number in (" + r.damaged + ")");
        tx.exec("alter table rowlock.checkpoints enable trigger checkpoints_append_only");
        tx.commit();
    }
    write_file(gate, "");
    const auto last = server.ended(first);
    REQUIRE(last.at("attempt_number") == 3);
    const auto attempts = server.get("/v1/runs/" + first).json().at("attempts").as_array();
    const auto second = text_at(attempts[1], "/execution_id");
    for (const auto& id : {second, text_at(last, "/execution_id")}) {
        const auto log = log_of(id);
        INFO(log);
        REQUIRE(log.size() >= std::string(r.resumed).size());
        CHECK(log.substr(log.size() - std::string(r.resumed).size()) == r.resumed);
        CHECK(log.find("is damaged") != std::string::npos);
    }
    CHECK(errors_of(text_at(last, "/execution_id"), "STATE_CORRUPTION").empty());
    std::vector<int> recorded;
    for (const auto& each : errors_of(second, "STATE_CORRUPTION")) {
        recorded.push_back(each.at("checkpoint_number").to_number<int>());
        CHECK(text_at(each, "/execution_id") == second);
        CHECK(each.at("state_type") == "CHECKPOINT");
        CHECK(each.at("corruption_type") == "CHECKSUM_MISMATCH");
        CHECK(each.at("recovery_attempted") == true);
        CHECK(each.at("recovery_successful") == (std::string(r.resumed) != "none"));
        CHECK(each.at("data_loss_scope") == r.scope);
    }
    std::sort(recorded.begin(), recorded.end());
    CHECK(recorded == r.recorded);
}

TEST_CASE("artifacts are listed for their execution and for their run", "[e2e][artifacts]")
{
    auto& server = open_server();
    server.define("artifacts-listed", shell(R"(f=part-$ROWLOCK_ATTEMPT_NUMBER.csv; printf one > "$ROWLOCK_RUN_DIR/$f"; printf '{"artifact": "%s"}\n' $f >&3; test $ROWLOCK_ATTEMPT_NUMBER = 2)"), twice());
    const auto end = server.run("artifacts-listed");
    REQUIRE(end.at("status") == "COMPLETED");
    const auto run = text_at(end, "/run_id");
    const auto second = text_at(end, "/execution_id");
    const auto of_run = items_of("/v1/runs/" + run + "/artifacts");
    REQUIRE(of_run.size() == 2);
    CHECK(of_run[0].at("name") == "part-1.csv");
    CHECK(text_at(of_run[0], "/execution_id") == run);
    const auto of_second = items_of("/v1/executions/" + second + "/artifacts");
    REQUIRE(of_second.size() == 1);
    CHECK(of_second[0] == of_run[1]);
    CHECK(of_second[0].at("name") == "part-2.csv");
    CHECK(of_second[0].at("size_bytes") == 3);
    CHECK(of_second[0].at("sha256") == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
    CHECK(of_second[0].at("created_time").is_string());
    server.define("artifacts-none", {{"type", "noop"}});
    CHECK(items_of("/v1/executions/" + text_at(server.run("artifacts-none"), "/execution_id") + "/artifacts").empty());
    CHECK(server.get("/v1/runs/" + second + "/artifacts").status == 404);
    CHECK(server.get("/v1/executions/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10/artifacts").status == 404);
}

TEST_CASE("an attempt that declares an artifact again may not change it", "[e2e][artifacts]")
{
    auto& server = open_server();
    server.define("artifacts-again", shell(R"(f="$ROWLOCK_RUN_DIR/table"; rm -f "$f"; printf "$1$ROWLOCK_ATTEMPT_NUMBER" > "$f"; printf '{"artifact": "table"}\n' >&3; test $ROWLOCK_ATTEMPT_NUMBER = 2)"), twice());
    const auto changed = server.run("artifacts-again");
    CHECK(changed.at("status") == "FAILED");
    CHECK(changed.at_pointer("/result/error_code") == "STATE_CORRUPTION");
    server.define("artifacts-again", shell(R"(f="$ROWLOCK_RUN_DIR/table"; test -e "$f" || printf same > "$f"; printf '{"artifact": "table"}\n' >&3; test $ROWLOCK_ATTEMPT_NUMBER = 2)"), twice());
    const auto same = server.run("artifacts-again");
    CHECK(same.at("status") == "COMPLETED");
    CHECK(items_of("/v1/runs/" + text_at(same, "/run_id") + "/artifacts").size() == 1);
}

TEST_CASE("rules 12 and 14: what a stopping server hands back starts anew, with its whole timeout and its last checkpoint", "[e2e][timeouts][checkpoints]")
{
    const test_database database;
    const scratch_folder folder;
    const auto gate = (folder.path() / "gate").string();
    auto environment = any_program();
    environment.emplace("ROWLOCK_GRACEFUL_TIMEOUT_SECONDS", "0");
    const std::vector<std::string> arguments{"serve", "--auth", "none", "--database", database.url()};
    auto first = std::make_optional<server_process>(arguments, environment);
    // Says what it is given; the second checkpoint waits for its interval when the server stops.
    first->define("handed-back", shell("if test -n \"$ROWLOCK_CHECKPOINT_FILE\"; then cat \"$ROWLOCK_CHECKPOINT_FILE\"; else printf none; fi; printf \" $ROWLOCK_DEADLINE \"\n"
                                       "printf '{\"checkpoint\": \"b25l\"}\\n{\"checkpoint\": \"dHdv\"}\\n{\"heartbeat\": true}\\n' >&3; while ! test -e " + gate + "; do sleep 0.05; done"),
                  once({{"timeout_seconds", 50}, {"checkpoint", {{"interval_seconds", 3600}}}}));
    const auto id = first->submit("handed-back");
    eventually("it gives signs of life", [&] { return !first->execution(id).at("heartbeat_time").is_null(); });
    CHECK(first->terminate() == 0);
    first.reset();
    const server_process second(arguments, environment);
    const auto lines = [&] { return second.get("/v1/executions/" + id + "/log").body; };
    eventually("it is started again", [&] { return lines().find("two ") != std::string::npos; });
    write_file(gate, "");
    const auto end = second.ended(id);
    CHECK(end.at("status") == "COMPLETED");
    CHECK(end.at("attempt_number") == 1);
    const auto log = lines();
    INFO(log);
    REQUIRE(log.rfind("none ", 0) == 0);
    CHECK(given_time(database.url(), id, log.substr(log.find("two ") + 4)) == Approx(50).margin(5));
}

TEST_CASE("rule 12: the attempt after a lost one has its whole timeout", "[e2e][timeouts]")
{
    const test_database database;
    auto environment = any_program();
    environment.emplace("ROWLOCK_LEASE_SECONDS", "2");
    const std::vector<std::string> arguments{"serve", "--auth", "none", "--database", database.url()};
    auto first = std::make_optional<server_process>(arguments, environment);
    first->define("lost", shell("printf \"$ROWLOCK_DEADLINE\"; if test $ROWLOCK_ATTEMPT_NUMBER = 1; then sleep 600; fi"), twice({{"timeout_seconds", 50}}));
    const auto id = first->submit("lost");
    eventually("it runs", [&] { return !first->get("/v1/executions/" + id + "/log").body.empty(); });
    first->kill_hard();
    first.reset();
    const server_process second(arguments, environment);
    const auto end = second.ended(id);
    REQUIRE(end.at("status") == "COMPLETED");
    REQUIRE(end.at("attempt_number") == 2);
    const auto next = text_at(end, "/execution_id");
    CHECK(given_time(database.url(), next, second.get("/v1/executions/" + next + "/log").body) == Approx(50).margin(5));
}
