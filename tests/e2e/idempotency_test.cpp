#include "tests/support/server_process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <pqxx/pqxx>
#include <set>
#include <thread>

using namespace rowlock::test;
namespace json = boost::json;

namespace {

server_process& server_with_job()
{
    auto& server = open_server();
    server.define("keyed", {{"type", "noop"}});
    return server;
}

std::string id_of(const http_reply& reply)
{
    INFO(reply.status << " " << reply.body);
    REQUIRE((reply.status == 200 || reply.status == 201));
    return text_at(reply.json(), "/execution_id");
}

http_reply submit_with(const server_process& server, const std::string& key, const json::object& more = {})
{
    json::object body = more;
    body["job_id"] = "keyed";
    return server.post("/v1/executions", body, {{"Idempotency-Key", key}});
}

}

TEST_CASE("the same key with the same request gives the first execution back, from the header as from the body", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    const auto first = submit_with(server, "key-same", {{"parameters", {{"n", 1}}}});
    REQUIRE(first.status == 201);
    CHECK(first.json().at("replayed") == false);
    const auto by_header = submit_with(server, "key-same", {{"parameters", {{"n", 1}}}});
    CHECK(by_header.status == 200);
    CHECK(by_header.json().at("replayed") == true);
    CHECK(id_of(by_header) == id_of(first));
    const auto by_body = server.post("/v1/executions", {{"job_id", "keyed"}, {"parameters", {{"n", 1}}}, {"idempotency_key", "key-same"}});
    CHECK(by_body.status == 200);
    CHECK(id_of(by_body) == id_of(first));
    const auto by_both = submit_with(server, "key-same", {{"parameters", {{"n", 1}}}, {"idempotency_key", "key-same"}});
    CHECK(by_both.status == 200);
    CHECK(id_of(by_both) == id_of(first));
    const auto waited = server.post("/v1/executions?wait_seconds=30", {{"job_id", "keyed"}, {"parameters", {{"n", 1}}}, {"idempotency_key", "key-same"}});
    CHECK(waited.status == 200);
    CHECK(waited.json().at("status") == "COMPLETED");
    CHECK(id_of(waited) == id_of(first));
}

TEST_CASE("the same key with another request is a 409, and nothing is stored", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    server.define("keyed-other", {{"type", "noop"}});
    REQUIRE(submit_with(server, "key-other", {{"parameters", {{"n", 1}}}}).status == 201);
    const auto before = server.get("/v1/executions?job_id=keyed").body;
    for (const json::object& other : {json::object{{"parameters", {{"n", 2}}}}, json::object{}, json::object{{"parameters", {{"n", 1}}}, {"priority", 1}},
                                      json::object{{"parameters", {{"n", 1}}}, {"tags", {{"a", "b"}}}}, json::object{{"parameters", {{"n", 1}}}, {"correlation_id", "x"}},
                                      json::object{{"parameters", {{"n", 1}}}, {"scheduled_time", "2999-01-01T00:00:00Z"}}, json::object{{"parameters", {{"n", "1"}}}}}) {
        INFO(json::serialize(other));
        const auto reply = submit_with(server, "key-other", other);
        CHECK(reply.status == 409);
        CHECK(reply.json().at("code") == "IDEMPOTENCY_KEY_REUSED");
    }
    CHECK(server.post("/v1/executions", {{"job_id", "keyed-other"}, {"parameters", {{"n", 1}}}}, {{"Idempotency-Key", "key-other"}}).status == 409);
    CHECK(server.get("/v1/executions?job_id=keyed-other").json().at("items").as_array().empty());
    // Statuses move on; the ids stay.
    CHECK(server.get("/v1/executions?job_id=keyed").json().at("items").as_array().size() == json::parse(before).at("items").as_array().size());
}

TEST_CASE("requests are compared as what they mean: order, blanks and defaults that are spelled out make no difference", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    const auto raw = [&](const std::string& body) { return http_request(server.address(), "POST", "/v1/executions", body, {{"Idempotency-Key", "key-meaning"}}); };
    const auto first = raw(R"({"job_id": "keyed", "parameters": {"a": 1, "b": [1, {"c": null}]}})");
    REQUIRE(first.status == 201);
    for (const char* same : {R"({"parameters":{"b":[1,{"c":null}],"a":1},"job_id":"keyed"})", R"({"job_id": "keyed", "parameters": {"a": 1.0, "b": [1e0, {"c": null}]}})",
                             R"({"job_id": "keyed", "parameters": {"a": 1, "b": [1, {"c": null}]}, "priority": 0, "scheduled_time": null, "tags": {}, "correlation_id": null, "job_version": null, "idempotency_key": null})",
                             R"({"job_id": "\u006beyed", "parameters": {"a": 1, "b": [1, {"c": null}]}, "idempotency_key": "key-meaning"})"}) {
        INFO(same);
        const auto reply = raw(same);
        INFO(reply.body);
        CHECK(reply.status == 200);
        CHECK(text_at(reply.json(), "/execution_id") == id_of(first));
    }
    CHECK(raw(R"({"job_id": "keyed", "parameters": {"a": 1, "b": [1, {}]}})").status == 409);
    CHECK(raw(R"({"job_id": "keyed", "parameters": {"a": 1, "b": [{"c": null}, 1]}})").status == 409);

    const auto bare = server.post("/v1/executions", {{"job_id", "keyed"}}, {{"Idempotency-Key", "key-bare"}});
    REQUIRE(bare.status == 201);
    CHECK(server.post("/v1/executions", {{"job_id", "keyed"}, {"parameters", json::object{}}}, {{"Idempotency-Key", "key-bare"}}).status == 200);
}

TEST_CASE("a key in the header and another in the body is a 422, and so is a key that is none", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    const auto unequal = submit_with(server, "key-a", {{"idempotency_key", "key-b"}});
    CHECK(unequal.status == 422);
    CHECK(unequal.json().at("errors").as_array().size() >= 1);
    for (const std::string& key : {std::string("a b"), std::string(256, 'k'), std::string("k\xc3\xa4")}) {
        INFO(key);
        const auto refused = submit_with(server, key);
        CHECK(refused.status == 422);
        CHECK(text_at(refused.json(), "/errors/0/field") == "Idempotency-Key");
        // What is long is cut.
        CHECK(text_at(refused.json(), "/errors/0/value").find(key.substr(0, 100)) != std::string::npos);
        CHECK(server.post("/v1/executions/batch", {{"executions", json::array{json::object{{"job_id", "keyed"}}}}}, {{"Idempotency-Key", key}}).json().at_pointer("/errors/0/value") ==
              refused.json().at_pointer("/errors/0/value"));
    }
    CHECK(text_at(submit_with(server, "").json(), "/errors/0/value").empty());
    CHECK(text_at(submit_with(server, "k\xff").json(), "/errors/0/value") == "k\xc3\xbf");
    CHECK(submit_with(server, std::string(255, 'k')).status == 201);
    // A refused submission has not used up its key.
    CHECK(submit_with(server, "key-refused", {{"priority", 5000}}).status == 422);
    CHECK(submit_with(server, "key-refused").status == 201);
}

TEST_CASE("fifty callers with one key at once get one execution, and one of them a 201", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    std::vector<std::thread> callers;
    std::vector<http_reply> replies(50);
    for (auto& reply : replies) {
        callers.emplace_back([&server, &reply] { reply = submit_with(server, "key-fifty"); });
    }
    for (auto& one : callers) one.join();
    std::set<std::string> ids;
    int created = 0;
    for (const auto& reply : replies) {
        ids.insert(id_of(reply));
        created += reply.status == 201;
        CHECK(reply.json().at("replayed") == (reply.status == 200));
    }
    CHECK(ids.size() == 1);
    CHECK(created == 1);
}

TEST_CASE("many short batches with keys of their own, committed together, each keep their own executions", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    const auto waiting = [&] { return static_cast<int>(server.metric("rowlock_submissions_waiting")); };
    // A commit that cannot go on keeps those behind it waiting, so that the next one takes all of them at once.
    constexpr std::size_t batches = 120;
    pqxx::connection session(open_server_database());
    std::vector<http_connection> callers;
    const auto send_all = [&] {
        for (std::size_t i = 0; i < batches; ++i) {
            json::array list;
            for (std::size_t n = 0; n <= i % 3; ++n) list.push_back({{"job_id", "keyed"}, {"parameters", {{"batch", i}, {"n", n}}}});
            callers[i].send(request_text("POST", "/v1/executions/batch", json::serialize(json::object{{"executions", list}}), {{"Idempotency-Key", "g" + std::to_string(i)}}));
        }
    };
    for (std::size_t i = 0; i < batches; ++i) callers.emplace_back(server.address());
    {
        pqxx::work tx(session);
        tx.exec("lock table rowlock.idempotency_keys in access exclusive mode");
        send_all();
        eventually("all of them wait for their commit", [&] { return waiting() == static_cast<int>(batches); });
    }

    std::vector<json::value> first;
    std::set<std::string> ids;
    std::size_t executions = 0;
    for (std::size_t i = 0; i < batches; ++i) {
        const auto reply = callers[i].receive();
        INFO(i << ": " << reply.status << " " << reply.body);
        REQUIRE(reply.status == 201);
        first.push_back(reply.json().at("executions"));
        REQUIRE(first.back().as_array().size() == i % 3 + 1);
        for (const auto& one : first.back().as_array()) {
            ids.insert(text_at(one, "/execution_id"));
            CHECK(one.at("replayed") == false);
            ++executions;
        }
    }
    CHECK(ids.size() == executions);
    const auto parameters = pqxx::nontransaction(session).exec("select execution_id, parameters ->> 'batch' from rowlock.v_executions where job_id = 'keyed' and parameters ? 'batch'");
    std::map<std::string, std::string> batch_of;
    for (const auto& row : parameters) batch_of[row[0].as<std::string>()] = row[1].as<std::string>();

    send_all();
    for (std::size_t i = 0; i < batches; ++i) {
        const auto reply = callers[i].receive();
        INFO(i << ": " << reply.status << " " << reply.body);
        REQUIRE(reply.status == 200);
        for (std::size_t n = 0; n <= i % 3; ++n) {
            const auto id = text_at(reply.json(), "/executions/" + std::to_string(n) + "/execution_id");
            CHECK(id == text_at(first[i], "/" + std::to_string(n) + "/execution_id"));
            CHECK(batch_of[id] == std::to_string(i));
        }
    }
}

TEST_CASE("two instances on one database share the keys, also for callers at once", "[e2e][idempotency]")
{
    const test_database database;
    server_process one({"serve", "--auth", "none", "--database", database.url()});
    server_process other({"serve", "--auth", "none", "--database", database.url()});
    one.define("keyed", {{"type", "noop"}});
    std::vector<std::thread> callers;
    std::vector<http_reply> replies(50);
    for (std::size_t i = 0; i < replies.size(); ++i) {
        callers.emplace_back([&, i] { replies[i] = submit_with(i % 2 ? one : other, "shared-" + std::to_string(i / 10)); });
    }
    for (auto& caller : callers) caller.join();
    std::set<std::string> ids;
    int created = 0;
    for (const auto& reply : replies) {
        ids.insert(id_of(reply));
        created += reply.status == 201;
    }
    CHECK(ids.size() == 5);
    CHECK(created == 5);
    CHECK(submit_with(other, "shared-0", {{"priority", 3}}).status == 409);
    CHECK(one.get("/v1/executions").json().at("items").as_array().size() == 5);
    CHECK(one.terminate() == 0);
    CHECK(other.terminate() == 0);
}

TEST_CASE("the keys within a batch each name their own execution, and one twice is refused", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    const auto entry = [](const char* key, int n) { return json::object{{"job_id", "keyed"}, {"parameters", {{"n", n}}}, {"idempotency_key", key}}; };
    const auto before = submit_with(server, "batch-a", {{"parameters", {{"n", 1}}}});
    const auto mixed = server.post("/v1/executions/batch", {{"executions", json::array{entry("batch-a", 1), entry("batch-b", 2)}}});
    INFO(mixed.body);
    REQUIRE(mixed.status == 201);
    CHECK(text_at(mixed.json(), "/executions/0/execution_id") == id_of(before));
    CHECK(mixed.json().at_pointer("/executions/0/replayed") == true);
    CHECK(mixed.json().at_pointer("/executions/1/replayed") == false);
    const auto again = server.post("/v1/executions/batch", {{"executions", json::array{entry("batch-a", 1), entry("batch-b", 2)}}});
    CHECK(again.status == 200);
    const auto twice = server.post("/v1/executions/batch", {{"executions", json::array{entry("batch-c", 1), entry("batch-c", 1)}}});
    CHECK(twice.status == 422);
    CHECK(twice.body.find("executions[1].idempotency_key") != std::string::npos);
    const auto reused = server.post("/v1/executions/batch", {{"executions", json::array{entry("batch-d", 1), entry("batch-a", 9)}}});
    CHECK(reused.status == 409);
    CHECK(submit_with(server, "batch-d", {{"parameters", {{"n", 7}}}}).status == 201);
}

TEST_CASE("the header's key on a batch names the whole batch", "[e2e][idempotency]")
{
    auto& server = server_with_job();
    json::array list;
    for (int i = 0; i < 5; ++i) list.push_back({{"job_id", "keyed"}, {"parameters", {{"i", i}}}});
    const auto first = server.post("/v1/executions/batch", {{"executions", list}}, {{"Idempotency-Key", "whole"}});
    REQUIRE(first.status == 201);
    const auto again = server.post("/v1/executions/batch", {{"executions", list}}, {{"Idempotency-Key", "whole"}});
    INFO(again.body);
    REQUIRE(again.status == 200);
    for (std::size_t i = 0; i < 5; ++i) {
        const auto at = "/executions/" + std::to_string(i);
        CHECK(text_at(again.json(), at + "/execution_id") == text_at(first.json(), at + "/execution_id"));
        CHECK(again.json().at_pointer(at + "/replayed") == true);
    }
    list.push_back({{"job_id", "keyed"}});
    CHECK(server.post("/v1/executions/batch", {{"executions", list}}, {{"Idempotency-Key", "whole"}}).status == 409);
    list.pop_back();
    list.pop_back();
    CHECK(server.post("/v1/executions/batch", {{"executions", list}}, {{"Idempotency-Key", "whole"}}).status == 409);
    CHECK(submit_with(server, "whole").status == 409);
}

TEST_CASE("a repeat is answered after its job was disabled; a new request is refused", "[e2e][idempotency]")
{
    auto& server = open_server();
    server.define("retired", {{"type", "noop"}});
    const json::object one{{"job_id", "retired"}};
    const auto first = server.post("/v1/executions", one, {{"Idempotency-Key", "key-retired"}});
    REQUIRE(first.status == 201);
    const auto batch = server.post("/v1/executions/batch", {{"executions", json::array{one, one}}}, {{"Idempotency-Key", "key-retired-batch"}});
    REQUIRE(batch.status == 201);
    REQUIRE(server.post("/v1/jobs/retired/disable", json::object{}).status == 200);

    const auto repeat = server.post("/v1/executions", one, {{"Idempotency-Key", "key-retired"}});
    CHECK(repeat.status == 200);
    CHECK(id_of(repeat) == id_of(first));
    const auto batch_again = server.post("/v1/executions/batch", {{"executions", json::array{one, one}}}, {{"Idempotency-Key", "key-retired-batch"}});
    CHECK(batch_again.status == 200);
    CHECK(text_at(batch_again.json(), "/executions/1/execution_id") == text_at(batch.json(), "/executions/1/execution_id"));

    const auto other = server.post("/v1/executions", one, {{"Idempotency-Key", "key-retired-new"}});
    CHECK(other.status == 409);
    CHECK(text_at(other.json(), "/code") == "JOB_DISABLED");
    CHECK(server.post("/v1/executions", one).status == 409);
}
