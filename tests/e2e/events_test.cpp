#include "tests/support/guarded_server.hpp"
#include "tests/support/triggers.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <pqxx/pqxx>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;

TEST_CASE("an event starts the jobs whose triggers it passes, which get it as their parameter", "[e2e][events]")
{
    auto& server = open_server();
    define_triggered(server, "ev-all", {{{"source", "ev-1"}}}, {{"parameters", {{"mode", "fast"}}}});
    define_triggered(server, "ev-large", {{{"source", "ev-1"}, {"filter", "$.payload.amount > 10"}, {"trigger_id", "ev-large-orders"}}});
    const auto small = emit(server, "ev-1", {{"amount", 5}}, "order-1");
    CHECK(small.at("activated") == json::array{"ev-all-1"});
    const auto large = emit(server, "ev-1", {{"amount", 50}});
    CHECK(large.at("activated") == json::array{"ev-all-1", "ev-large-orders"});

    const auto run = last_of(server, "ev-large");
    CHECK(run.at("status") == "COMPLETED");
    CHECK(run.at("trigger_type") == "EVENT");
    CHECK(run.at("trigger_id") == "ev-large-orders");
    const auto& event = run.at("parameters").at("event");
    CHECK(event.at("event_id") == large.at("event_id"));
    CHECK(event.at("source") == "ev-1");
    CHECK(event.at("key").is_null());
    CHECK(event.at("payload") == json::value{{"amount", 50}});
    CHECK(text_at(event, "/received_time").ends_with("Z"));
    CHECK(count_of(server, "ev-all") == 2);
    CHECK(runs_of(server, "ev-all").front().at("parameters").at("mode") == "fast");

    const auto shown = server.get("/v1/events/" + text_at(small, "/event_id")).json();
    CHECK(shown.at("key") == "order-1");
    CHECK(shown.at("payload") == json::value{{"amount", 5}});
    CHECK(shown.at("origin") == "API");
    REQUIRE(shown.at("activations").as_array().size() == 2);
    CHECK(shown.at("activations").at(0).at("outcome") == "ACTIVATED");
    CHECK(shown.at("activations").at(0).at("execution_id").is_string());
    CHECK(shown.at("activations").at(1).at("outcome") == "FILTERED");
    CHECK(shown.at("activations").at(1).at("reason") == "the filter does not hold");
    CHECK(shown.at("activations").at(1).at("execution_id").is_null());
}

TEST_CASE("an event that no trigger takes is taken in all the same, and its payload may be any JSON", "[e2e][events]")
{
    auto& server = open_server();
    for (const json::value& payload : {json::value{}, json::value(7), json::value("text"), json::value(json::array{1, "2"}), json::value(true)}) {
        const auto taken = emit(server, "ev-nobody", payload);
        CHECK(taken.at("activated") == json::array{});
        CHECK(server.get("/v1/events/" + text_at(taken, "/event_id")).json().at("payload") == (payload.is_null() ? json::value(json::object{}) : payload));
    }
}

TEST_CASE("the same source and key are one event, also when they are sent at once", "[e2e][events]")
{
    auto& server = open_server();
    define_triggered(server, "ev-once", {{{"source", "ev-once"}}});
    std::vector<std::thread> senders;
    std::vector<std::string> ids(8);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        senders.emplace_back([&, i] { ids[i] = text_at(emit(server, "ev-once", {{"n", i}}, "k"), "/event_id"); });
    }
    for (auto& each : senders) each.join();
    for (const auto& id : ids) CHECK(id == ids.front());
    const auto again = emit(server, "ev-once", {}, "k");
    CHECK(text_at(again, "/event_id") == ids.front());
    CHECK(again.at("duplicate") == true);
    CHECK(again.at("activated") == json::array{"ev-once-1"});
    CHECK(count_of(server, "ev-once") == 1);
}

TEST_CASE("what is no event is refused with every field that is wrong, and changes nothing", "[e2e][events]")
{
    auto& server = open_server();
    struct row {
        const char* body;
        int status;
        std::vector<std::string> fields;
    };
    const std::string large = R"({"source":"ev-bad","payload":")" + std::string(1u << 20, 'x') + "\"}";
    const std::string deep = R"({"source":"ev-bad","payload":)" + std::string(61, '[') + std::string(61, ']') + "}";
    const std::vector<row> all = {
        {"{}", 422, {"source"}},
        {R"({"source":7,"key":8,"sauce":1})", 422, {"key", "sauce", "source"}},
        {R"({"source":"","key":""})", 422, {"key", "source"}},
        {R"({"source":"ev-bad","payload":{"a":"\u0000"}})", 422, {"payload.a"}},
        {large.c_str(), 422, {"payload"}},
        {deep.c_str(), 422, {"payload"}},
        {"[]", 400, {}},
        {"{", 400, {}},
    };
    for (const auto& r : all) {
        INFO(std::string(r.body).substr(0, 80));
        const auto reply = http_request(server.address(), "POST", "/v1/events", r.body);
        CHECK(reply.status == r.status);
        std::vector<std::string> fields;
        if (r.status == 422) {
            const auto problem = reply.json();
            for (const auto& one : problem.at("errors").as_array()) fields.push_back(text_at(one, "/field"));
            std::sort(fields.begin(), fields.end());
        }
        CHECK(fields == r.fields);
    }
    CHECK(http_request(server.address(), "POST", "/v1/events", std::string(3u << 20, ' ')).status == 413);
    CHECK(server.post("/v1/events?x=1", {{"source", "ev-bad"}}).status == 422);
    CHECK(server.get("/v1/events?source=ev-bad").json().at("items").as_array().empty());
}

TEST_CASE("events are listed newest first, by page, source, key and time", "[e2e][events]")
{
    auto& server = open_server();
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(text_at(emit(server, "ev-list", i, "key-" + std::to_string(i)), "/event_id"));
    const auto first = server.get("/v1/events?source=ev-list&limit=3").json();
    REQUIRE(first.at("items").as_array().size() == 3);
    CHECK(text_at(first, "/items/0/event_id") == ids[4]);
    const auto rest = server.get("/v1/events?source=ev-list&limit=3&cursor=" + text_at(first, "/next_cursor")).json();
    REQUIRE(rest.at("items").as_array().size() == 2);
    CHECK(text_at(rest, "/items/1/event_id") == ids[0]);
    CHECK(rest.at("next_cursor").is_null());
    CHECK(text_at(server.get("/v1/events?source=ev-list&key=key-2").json(), "/items/0/event_id") == ids[2]);
    CHECK(server.get("/v1/events?source=ev-list&until=2020-01-01T00:00:00Z").json().at("items").as_array().empty());
    CHECK(server.get("/v1/events?source=ev-list&since=2020-01-01T00:00:00Z").json().at("items").as_array().size() == 5);
    CHECK(server.get("/v1/events?cursor=x").status == 422);
    CHECK(server.get("/v1/events/0190b5a4-2f3c-7d1e-8a77-b16f3a3f9f10").status == 404);
    CHECK(server.get("/v1/events/x").status == 404);
}

TEST_CASE("a batch window gives the job the list of events", "[e2e][events]")
{
    auto& server = open_server();
    define_triggered(server, "ev-batch", {{{"source", "ev-batch"}, {"batch_window_seconds", 0.3}}});
    for (int i = 1; i <= 3; ++i) {
        const auto taken = emit(server, "ev-batch", i);
        CHECK(taken.at("activated") == json::array{"ev-batch-1"});
        CHECK(taken.at("waiting") == json::array{"ev-batch-1"});
    }
    const auto events = parameters_of(server, "ev-batch").at("events").as_array();
    REQUIRE(events.size() == 3);
    CHECK(events[0].at("payload") == 1);
    CHECK(events[2].at("payload") == 3);
    CHECK(count_of(server, "ev-batch") == 1);
}

TEST_CASE("a debounce runs the job once it is quiet, with the last event", "[e2e][events]")
{
    auto& server = open_server();
    define_triggered(server, "ev-quiet", {{{"source", "ev-quiet"}, {"debounce_seconds", 0.3}}});
    std::string first;
    for (int i = 1; i <= 3; ++i) {
        const auto id = text_at(emit(server, "ev-quiet", i), "/event_id");
        if (i == 1) first = id;
    }
    CHECK(parameters_of(server, "ev-quiet").at("event").at("payload") == 3);
    CHECK(count_of(server, "ev-quiet") == 1);
    CHECK(server.get("/v1/events/" + first).json().at("activations").at(0).at("outcome") == "DEBOUNCED");
}

TEST_CASE("rowlock.emit starts a job when the caller's transaction commits", "[e2e][events][sql]")
{
    auto& server = open_server();
    define_triggered(server, "ev-sql", {{{"source", "ev-sql"}}});
    pqxx::connection user(open_server_database());
    pqxx::work transaction(user);
    const auto id = transaction.exec("select rowlock.emit('ev-sql', '{\"n\": 1}', 'k')")[0][0].as<std::string>();
    CHECK(server.get("/v1/events/" + id).status == 404);
    // Meanwhile others come in, and wait for nobody.
    CHECK(emit(server, "ev-sql", {{"n", 2}}).at("activated") == json::array{"ev-sql-1"});
    CHECK(parameters_of(server, "ev-sql").at("event").at("payload").at("n") == 2);
    // The same key stands in a transaction that is open: whether it is the same event is not known yet.
    const auto busy = server.post("/v1/events", {{"source", "ev-sql"}, {"key", "k"}});
    CHECK(busy.status == 503);
    CHECK_FALSE(busy.field("Retry-After").empty());
    transaction.commit();
    // Its place is that of the transaction's beginning.
    eventually("it has started the job", [&] { return count_of(server, "ev-sql") == 2; });
    CHECK(text_at(runs_of(server, "ev-sql").back(), "/parameters/event/event_id") == id);
    CHECK(text_at(emit(server, "ev-sql", {}, "k"), "/event_id") == id);
    CHECK(server.get("/v1/events/" + id).json().at("origin") == "SQL");
}

TEST_CASE("triggers are shown, switched by an editor, and say what they did", "[e2e][events][triggers]")
{
    auto& server = open_server();
    define_triggered(server, "ev-switch", {{{"source", "ev-switch"}, {"filter", "$.n > 1"}}, {{"source", "ev-switch-2"}, {"batch_window_seconds", 60}}});
    const auto shown = server.get("/v1/triggers/ev-switch-1").json();
    CHECK(shown.at("job_id") == "ev-switch");
    CHECK(shown.at("trigger_type") == "API_CALL");
    CHECK(shown.at("filter") == "$.n > 1");
    CHECK(shown.at("enabled") == true);
    CHECK(server.get("/v1/triggers?job_id=ev-switch").json().at("items").as_array().size() == 2);
    CHECK(server.get("/v1/triggers?source=ev-switch-2").json().at("items").at(0).at("batch_window_seconds").to_number<double>() == 60);
    CHECK(server.get("/v1/triggers/nobody").status == 404);

    const auto off = server.post("/v1/triggers/ev-switch-1/disable", {{"reason", "too many"}});
    CHECK(off.status == 200);
    CHECK(off.json().at("enabled") == false);
    CHECK(off.json().at("last_action").at("reason") == "too many");
    CHECK(emit(server, "ev-switch", {{"n", 2}}).at("activated") == json::array{});
    // A new version keeps it disabled.
    define_triggered(server, "ev-switch", {{{"source", "ev-switch"}, {"filter", "$.n > 2"}}});
    CHECK(emit(server, "ev-switch", {{"n", 3}}).at("activated") == json::array{});
    CHECK(server.post("/v1/triggers/ev-switch-1/enable", json::object{}).status == 200);
    emit(server, "ev-switch", {{"n", 2}});
    CHECK(emit(server, "ev-switch", {{"n", 3}}).at("activated") == json::array{"ev-switch-1"});
    CHECK(server.post("/v1/triggers/nobody/enable", json::object{}).status == 404);
    CHECK(server.post("/v1/triggers/ev-switch-1/enable", {{"x", 1}}).status == 422);

    std::string outcomes;
    const auto page = server.get("/v1/triggers/ev-switch-1/activations?limit=3").json();
    for (const auto& one : page.at("items").as_array()) outcomes += text_at(one, "/outcome") + ' ';
    CHECK(outcomes == "ACTIVATED FILTERED TRIGGER_DISABLED ");
    CHECK(server.get("/v1/triggers/ev-switch-1/activations?cursor=" + text_at(page, "/next_cursor")).json().at("items").as_array().size() == 1);
    CHECK(server.get("/v1/triggers/nobody/activations").status == 404);
}

TEST_CASE("a filter that is no path, and an id that another job has, are refused when the job is put", "[e2e][events][triggers]")
{
    auto& server = open_server();
    define_triggered(server, "ev-put", {{{"source", "s"}, {"trigger_id", "ev-put-mine"}}});
    const auto refused = [&](const json::object& trigger) {
        const auto reply = server.put("/v1/jobs/ev-put-2", json::object{{"handler", {{"type", "noop"}}}, {"triggers", json::array{trigger}}});
        return std::to_string(reply.status) + ' ' + (reply.status == 422 ? text_at(reply.json(), "/errors/0/field") : reply.body);
    };
    CHECK(refused({{"trigger_type", "API_CALL"}, {"source", "s"}, {"filter", "$.a >"}}) == "422 triggers[0].filter");
    CHECK(refused({{"trigger_type", "API_CALL"}, {"source", "s"}, {"trigger_id", "ev-put-mine"}}) == "422 triggers[0].trigger_id");
    CHECK(refused({{"trigger_type", "WEBHOOK"}, {"source", "s"}}) == "422 triggers[0].secret");
    CHECK(server.get("/v1/jobs/ev-put-2").status == 404);
    const json::object one{{"job_id", "ev-put-3"}, {"handler", {{"type", "noop"}}}};
    const auto applied = server.post("/v1/jobs/apply", {{"jobs", json::array{one, with({{"job_id", "ev-put-4"}, {"handler", {{"type", "noop"}}}},
                                                                                   {{"triggers", json::array{{{"trigger_type", "WEBHOOK"}}}}})}}});
    CHECK(applied.status == 422);
    CHECK(text_at(applied.json(), "/errors/0/field") == "jobs[1].triggers[0].secret");
    CHECK(server.get("/v1/jobs/ev-put-3").status == 404);
}

TEST_CASE("a viewer sees events and triggers, an operator sends events, an editor switches triggers, and tenants are kept apart", "[e2e][events][tokens]")
{
    private_postgres::of_this_run();
    const guarded_server g;
    const auto viewer = g.as("viewer", "default");
    const auto operator_ = g.as("operator", "default");
    const auto editor = g.as("editor", "default");
    const auto other = g.as("editor", "other");
    CHECK(g.server.put("/v1/jobs/guarded", {{"handler", {{"type", "noop"}}}, {"triggers", json::array{{{"trigger_type", "API_CALL"}, {"source", "s"}}}}}, editor).status == 201);
    CHECK(g.server.post("/v1/events", {{"source", "s"}}, viewer).status == 403);
    const auto taken = g.server.post("/v1/events", {{"source", "s"}}, operator_);
    CHECK(taken.status == 202);
    CHECK(taken.json().at("activated") == json::array{"guarded-1"});
    const auto id = text_at(taken.json(), "/event_id");
    CHECK(g.server.get("/v1/events/" + id, viewer).status == 200);
    CHECK(text_at(g.server.get("/v1/events/" + id, viewer).json(), "/submitter") == "token:operator of default");
    CHECK(g.server.post("/v1/triggers/guarded-1/disable", json::object{}, operator_).status == 403);
    CHECK(g.server.post("/v1/triggers/guarded-1/disable", json::object{}, editor).status == 200);

    CHECK(g.server.get("/v1/events/" + id, other).status == 404);
    CHECK(g.server.get("/v1/events", other).json().at("items").as_array().empty());
    CHECK(g.server.get("/v1/triggers/guarded-1", other).status == 404);
    CHECK(g.server.post("/v1/triggers/guarded-1/enable", json::object{}, other).status == 404);
    CHECK(g.server.post("/v1/events", {{"source", "s"}}, other).json().at("activated") == json::array{});
    CHECK(g.server.post("/v1/events", {{"source", "s"}}).status == 401);
}
