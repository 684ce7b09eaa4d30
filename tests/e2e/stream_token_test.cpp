#include "tests/support/stream_client.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::test;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

struct guarded_server {
    test_database database;
    server_process server{{"serve", "--database", database.url()}};
    std::string admin = make_admin_token(database.url());

    guarded_server()
    {
        server.always = {{"Authorization", "Bearer " + admin}};
        server.define("guarded", {{"type", "noop"}});
    }

    json::value token(const std::string& role, const std::string& tenant) const
    {
        const auto reply = server.post("/v1/tokens", {{"role", role}, {"tenant_id", tenant}, {"name", role}});
        REQUIRE(reply.status == 201);
        return reply.json();
    }
    int status_of_upgrade(const http_fields& fields) const
    {
        http_fields all{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
        all.insert(all.end(), fields.begin(), fields.end());
        return http_request(server.address(), "GET", "/v1/stream", {}, all).status;
    }
};

guarded_server& guarded()
{
    private_postgres::of_this_run();
    static guarded_server one;
    return one;
}

json::object submit_one(const std::string& job = "guarded")
{
    return {{"op", "submit"}, {"id", "1"}, {"executions", json::array{json::object{{"job_id", job}}}}};
}

http_fields bearer(const json::value& token)
{
    return {{"Authorization", "Bearer " + text_at(token, "/token")}};
}

}

TEST_CASE("a stream needs a token as routes do, and a browser gives it as a subprotocol", "[e2e][stream][tokens]")
{
    auto& g = guarded();
    CHECK(g.status_of_upgrade({}) == 401);
    CHECK(g.status_of_upgrade({{"Authorization", "Bearer wrong"}}) == 401);
    CHECK(g.status_of_upgrade({{"Sec-WebSocket-Protocol", "rowlock.bearer.wrong"}}) == 401);
    CHECK(g.status_of_upgrade({{"Sec-WebSocket-Protocol", "chat"}}) == 401);
    CHECK(g.status_of_upgrade(bearer(g.token("worker", "default"))) == 403);

    stream_client with_header(g.server, {{"Authorization", "Bearer " + g.admin}});
    CHECK(with_header.ask(submit_one()).at("op") == "accepted");
    // Whatever page it comes from: without the token it could do nothing, and the browser sends none by itself.
    const auto protocol = "rowlock.bearer." + g.admin;
    stream_client browser(g.server, {{"Sec-WebSocket-Protocol", "chat, " + protocol}, {"Origin", "https://dashboard.example"}});
    CHECK(browser.socket.field("Sec-WebSocket-Protocol") == protocol);
    CHECK(browser.ask(submit_one()).at("op") == "accepted");
    // On other routes it is no token.
    CHECK(http_request(g.server.address(), "GET", "/v1/jobs", {}, {{"Sec-WebSocket-Protocol", protocol}}).status == 401);
}

TEST_CASE("without tokens a page of another site gets no stream", "[e2e][stream][tokens]")
{
    auto& server = open_server();
    const http_fields upgrade{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    auto foreign = upgrade;
    foreign.emplace_back("Origin", "https://evil.example");
    CHECK(server.get("/v1/stream", foreign).status == 403);
    foreign.emplace_back("Sec-WebSocket-Protocol", "rowlock.bearer.x");
    CHECK(server.get("/v1/stream", foreign).status == 403);
    stream_client own(server, {{"Origin", server.url()}});
    CHECK(own.max_in_flight > 0);
    // A token that nobody asks for is not refused, and a browser wants its subprotocol back.
    stream_client with_token(server, {{"Sec-WebSocket-Protocol", "rowlock.bearer.any"}});
    CHECK(with_token.socket.field("Sec-WebSocket-Protocol") == "rowlock.bearer.any");
}

TEST_CASE("a viewer may subscribe and not submit; tenants see nothing of each other", "[e2e][stream][tokens]")
{
    auto& g = guarded();
    const auto id = g.server.submit("guarded");
    stream_client viewer(g.server, bearer(g.token("viewer", "default")));
    const auto refused = viewer.ask(submit_one());
    CHECK(refused.at("op") == "rejected");
    CHECK(refused.at("id") == "1");
    CHECK(refused.at_pointer("/problem/status") == 403);
    viewer.subscribe("s", "executions", {json::value(id)});
    CHECK(viewer.states("s").back() == "COMPLETED");

    stream_client other(g.server, bearer(g.token("operator", "other")));
    other.subscribe("s", "executions", {json::value(id)});
    CHECK(text_at(other.socket.receive(), "/problem/errors/0/field") == "executions[0]");
    other.subscribe("s", "jobs", {"guarded"});
    CHECK(text_at(other.socket.receive(), "/problem/code") == "JOB_NOT_FOUND");
    CHECK(text_at(other.ask(submit_one()), "/problem/code") == "JOB_NOT_FOUND");

    // A token for all picks one.
    stream_client picked(g.server, {{"Authorization", "Bearer " + g.admin}, {"X-Rowlock-Tenant", "other"}});
    CHECK(text_at(picked.ask(submit_one()), "/problem/code") == "JOB_NOT_FOUND");
    CHECK(g.status_of_upgrade({bearer(g.token("operator", "other"))[0], {"X-Rowlock-Tenant", "default"}}) == 403);
}

TEST_CASE("a token that is revoked ends its streams at the next frame", "[e2e][stream][tokens]")
{
    auto& g = guarded();
    const auto made = g.token("operator", "default");
    stream_client stream(g.server, bearer(made));
    REQUIRE(stream.ask(submit_one()).at("op") == "accepted");
    CHECK(http_request(g.server.address(), "DELETE", "/v1/tokens/" + text_at(made, "/token_id"), {}, g.server.always).status == 204);
    eventually("the stream is closed", [&] {
        try {
            stream.socket.send(submit_one());
            return !stream.socket.try_receive();
        } catch (const std::runtime_error&) {
            return true;
        }
    }, 3s);
    CHECK(stream.socket.closed_with() == 1008);
}
