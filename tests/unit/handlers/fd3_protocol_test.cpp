#include "runtime/handlers/fd3_protocol.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::runtime;

namespace {

// One word for each event, in order.
std::string told(const std::vector<fd3_event>& events)
{
    std::string out;
    for (const auto& event : events) {
        if (!out.empty()) out += ' ';
        if (std::holds_alternative<fd3_heartbeat>(event)) out += "heartbeat";
        if (std::holds_alternative<fd3_report_line>(event)) out += "report";
        if (const auto* p = std::get_if<fd3_progress>(&event)) out += "progress:" + std::to_string(static_cast<int>(p->fraction * 100));
        if (const auto* c = std::get_if<checkpoint_data>(&event)) out += "checkpoint:" + c->bytes + ":" + c->stage;
        if (const auto* a = std::get_if<fd3_artifact>(&event)) out += "artifact:" + a->name;
        if (const auto* n = std::get_if<fd3_nodes>(&event)) out += "nodes:" + boost::json::serialize(n->nodes);
        if (std::holds_alternative<fd3_complaint>(event)) out += "complaint";
    }
    return out;
}

std::vector<fd3_event> all_of(fd3_protocol& protocol, std::string_view bytes)
{
    std::vector<fd3_event> events;
    protocol.feed(bytes, events);
    protocol.finish(events);
    return events;
}

}

TEST_CASE("each line of the protocol asks for what it says", "[unit][process]")
{
    struct row {
        const char* why;
        std::string line;
        std::string expected;
    };
    const auto r = GENERATE(values<row>({
        {"a heartbeat", R"({"heartbeat": true})", "heartbeat"},
        {"progress from 0 to 1", R"({"progress": 0.25})", "progress:25"},
        {"a whole number is progress too", R"({"progress": 1})", "progress:100"},
        {"progress beyond its range", R"({"progress": 1.5})", "complaint"},
        {"progress that is no number", R"({"progress": "half"})", "complaint"},
        {"a checkpoint with its stage", R"({"checkpoint": "aGVsbG8=", "stage": "one"})", "checkpoint:hello:one"},
        {"an empty checkpoint", R"({"checkpoint": ""})", "checkpoint::"},
        {"a checkpoint that is not base64", R"({"checkpoint": "aGVsbG8"})", "complaint"},
        {"a checkpoint that is no string", R"({"checkpoint": 5})", "complaint"},
        {"a stage alone", R"({"stage": "one"})", "complaint"},
        {"an artifact", R"({"artifact": "a/b.csv"})", "artifact:a/b.csv"},
        {"an artifact without a name", R"({"artifact": ""})", "complaint"},
        {"nodes, which others check", R"({"add_nodes": [{"node_id":"a"},5]})", R"(nodes:[{"node_id":"a"},5])"},
        {"nodes that are no array", R"({"add_nodes": {"node_id":"a"}})", "complaint"},
        {"several members on a line", R"({"heartbeat": true, "progress": 0.5})", "heartbeat progress:50"},
        {"an unknown member beside a known one", R"({"heartbeat": true, "mood": "good"})", "heartbeat complaint"},
        {"no JSON", "hello", "complaint"},
        {"no object", "[1]", "complaint"},
        {"an unfinished object", R"({"heartbeat": true)", "complaint"},
        {"broken UTF-8", "{\"error_message\": \"\xff\"}", "complaint"},
        {"U+0000 in a string", R"({"output": {"a": ["\u0000"]}})", "complaint"},
        {"a negative count", R"({"records_processed": -1})", "complaint"},
        {"output that is no object", R"({"output": 3})", "complaint"},
        {"outputs", R"({"output": {"a": 1}})", "report"},
        {"figures, said once for the line", R"({"records_processed": 1, "records_failed": 0, "metrics": {}})", "report"},
        {"an error", R"({"error_code": "X"})", "report"},
        {"an empty line", "\n\n  \r\n", ""},
        {"a carriage return before the newline", "{\"heartbeat\": true}\r\n", "heartbeat"},
    }));
    INFO(r.why);
    fd3_protocol protocol;
    CHECK(told(all_of(protocol, r.line)) == r.expected);
}

TEST_CASE("the protocol does not mind where its bytes are cut", "[unit][process]")
{
    const std::string text = "{\"heartbeat\": true}\n{\"checkpoint\": \"aGVsbG8=\"}\nnonsense\n{\"output\": {\"rows\": 10}}\n{\"progress\": 1}";
    fd3_protocol whole;
    const auto expected = told(all_of(whole, text));
    for (std::size_t piece = 1; piece < 9; ++piece) {
        fd3_protocol cut;
        std::vector<fd3_event> events;
        for (std::size_t at = 0; at < text.size(); at += piece) cut.feed(std::string_view(text).substr(at, piece), events);
        cut.finish(events);
        CHECK(told(events) == expected);
        CHECK(cut.report().outputs == whole.report().outputs);
    }
}

TEST_CASE("outputs and metrics are merged, and the last word on a figure counts", "[unit][process]")
{
    fd3_protocol protocol;
    all_of(protocol, R"({"output": {"a": 1, "b": 1}}
{"output": {"b": 2}, "metrics": {"m": 0.5}}
{"records_processed": 3, "records_failed": 1}
{"records_processed": 10}
{"error_code": "NO_ROWS", "error_message": "nothing came"})");
    const auto& report = protocol.report();
    CHECK(boost::json::serialize(report.outputs) == R"({"a":1,"b":2})");
    CHECK(report.metrics.at("m").as_double() == 0.5);
    CHECK(report.records_processed == 10);
    CHECK(report.records_failed == 1);
    CHECK(report.error_code == "NO_ROWS");
    CHECK(report.error_message == "nothing came");
    CHECK_FALSE(report.over_limit);
}

TEST_CASE("a line that is too long is skipped, and the next one counts", "[unit][process]")
{
    fd3_protocol protocol({.line_bytes = 30});
    CHECK(told(all_of(protocol, std::string(100, 'x') + "\n{\"heartbeat\": true}\n" + std::string(31, 'y'))) == "complaint heartbeat complaint");
}

TEST_CASE("outputs beyond their bound are dropped and reported", "[unit][process]")
{
    fd3_protocol protocol({.report_bytes = 20});
    CHECK(told(all_of(protocol, "{\"output\": {\"a\": 1}}\n{\"output\": {\"b\": \"0123456789abcdef\"}}\n")) == "report complaint");
    CHECK(protocol.report().over_limit);
    CHECK(boost::json::serialize(protocol.report().outputs) == R"({"a":1})");
}

TEST_CASE("complaints are bounded, and the last one says so", "[unit][process]")
{
    fd3_protocol protocol({.complaints = 3});
    std::string text;
    for (int i = 0; i < 100; ++i) text += "nonsense\n";
    const auto events = all_of(protocol, text);
    REQUIRE(events.size() == 4);
    CHECK(std::get<fd3_complaint>(events.back()).text.find("not listed") != std::string::npos);
}
