#include "ops/cli/submission_file.hpp"
#include "storage/model/json_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock::ops;
namespace json = boost::json;

namespace {

const json::object request{{"job_id", "ingest"}, {"priority", 1}, {"parameters", {{"a", 1}, {"b", 1}}}};

std::string item_of(std::string_view text)
{
    const auto file = parse_submissions("f", text, request, "k");
    return file ? rowlock::to_text(json::value(file->items.at(0))) : "refused: " + file.error().fields.at(0).field;
}

}

TEST_CASE("a line of a file of submissions takes the place of what the command says", "[unit][cli]")
{
    CHECK(item_of("{}") == R"({"job_id":"ingest","priority":1,"parameters":{"a":1,"b":1},"idempotency_key":"k/1"})");
    CHECK(item_of(R"({"priority":5,"idempotency_key":"own"})") == R"({"job_id":"ingest","priority":5,"parameters":{"a":1,"b":1},"idempotency_key":"own"})");
    CHECK(item_of(R"({"parameters":{"b":2,"c":3}})") == R"({"job_id":"ingest","priority":1,"parameters":{"a":1,"b":2,"c":3},"idempotency_key":"k/1"})");
    CHECK(item_of(R"({"tags":{"x":"y"}})") == R"({"job_id":"ingest","priority":1,"parameters":{"a":1,"b":1},"tags":{"x":"y"},"idempotency_key":"k/1"})");
}

TEST_CASE("blank lines count as lines but are no submissions", "[unit][cli]")
{
    const auto file = parse_submissions("f", "\n{}\r\n   \n{}", request, "k");
    REQUIRE(file.has_value());
    CHECK(file->lines == std::vector<std::size_t>{2, 4});
    CHECK(file->items.at(1).at("idempotency_key") == "k/4");
    CHECK(parse_submissions("f", "", request, "k").value().items.empty());
}

TEST_CASE("every line that is no submission is named", "[unit][cli]")
{
    const auto file = parse_submissions("f", "{}\n[1]\n{\"a\":\n", request, "k");
    REQUIRE_FALSE(file.has_value());
    CHECK(file.error().code == exit_code::configuration);
    REQUIRE(file.error().fields.size() == 2);
    CHECK(file.error().fields[0].field == "f:2");
    CHECK(file.error().fields[1].field == "f:3");
}

TEST_CASE("what the server refuses of a batch is named by the file's lines", "[unit][cli]")
{
    const auto file = parse_submissions("f", "{}\n\n{}\n{}", request, "k");
    REQUIRE(file.has_value());
    const auto refused = in_lines({exit_code::configuration, "t", "d", {{"executions[1].priority", "", "m"}, {"executions[0]", "", "m"}, {"executions[x]", "", "m"}}}, *file, 1);
    CHECK(refused.fields[0].field == "f:4: priority");
    CHECK(refused.fields[1].field == "f:3");
    CHECK(refused.fields[2].field == "executions[x]");
}
