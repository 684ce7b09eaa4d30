#include "api/job_diff.hpp"
#include "api/response.hpp"
#include "api/trace.hpp"
#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::api;

TEST_CASE("a reply is written whole into one buffer", "[unit][api]")
{
    response reply;
    reply.status = 201;
    reply.body = "{}";
    reply.add_header("Location", "/x");
    std::string out;
    append_reply(out, reply, {"id-1", "now"});
    CHECK(out == "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nDate: now\r\nX-Request-Id: id-1\r\nLocation: /x\r\nContent-Length: 2\r\n\r\n{}");
}

TEST_CASE("HEAD has the head of GET and no body; 204 has no length", "[unit][api]")
{
    response reply;
    reply.body = "{}";
    std::string out;
    append_reply(out, reply, {"i", "now", false, false, true});
    CHECK(out == "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: now\r\nX-Request-Id: i\r\nConnection: close\r\nContent-Length: 2\r\n\r\n");
    out.clear();
    reply.status = 204;
    reply.body.clear();
    append_reply(out, reply, {"i", "now"});
    CHECK(out == "HTTP/1.1 204 No Content\r\nDate: now\r\nX-Request-Id: i\r\n\r\n");
}

TEST_CASE("a chunk says its length in hexadecimal", "[unit][api]")
{
    std::string out;
    append_chunk(out, std::string(26, 'a'));
    append_chunk(out, "");
    CHECK(out == "1a\r\n" + std::string(26, 'a') + "\r\n");
}

TEST_CASE("a sane request id is kept, any other is replaced by a new one", "[unit][api]")
{
    std::string id;
    choose_request_id("abc-1.2", id);
    CHECK(id == "abc-1.2");
    std::string first;
    std::string second;
    choose_request_id("a b", first);
    choose_request_id(std::string(129, 'a'), second);
    CHECK(first.size() == 36);
    CHECK(first != second);
}

TEST_CASE("a traceparent is passed on where it is valid", "[unit][api]")
{
    const std::string right = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    CHECK(valid_trace_parent(right) == right);
    CHECK(valid_trace_parent("cc" + right.substr(2) + "-more") == "cc" + right.substr(2));
    const std::string wrong = GENERATE_COPY(values<std::string>({"", "x", right + "-more", "ff" + right.substr(2), right.substr(0, 54), "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                                                 "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"}));
    INFO(wrong);
    CHECK(valid_trace_parent(wrong).empty());
}

TEST_CASE("a dry run shows what would change, member by member", "[unit][api]")
{
    const auto before = *parse_json(R"({"version":1,"handler":{"type":"sleep","seconds":1},"tags":{"a":"x"},"gone":true})");
    const auto after = *parse_json(R"({"version":2,"handler":{"type":"sleep","seconds":2},"tags":{"a":"x"},"new":[1]})");
    CHECK(differences(before, after) == std::vector<change>{{"handler.seconds", "1", "2"}, {"new", "", "[1]"}, {"gone", "true", ""}});
    CHECK(differences(after, after).empty());
    CHECK(differences(nullptr, *parse_json(R"({"a":1,"version":1})")) == std::vector<change>{{"a", "", "1"}});
}
