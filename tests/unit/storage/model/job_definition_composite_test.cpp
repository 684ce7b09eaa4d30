#include "storage/model/json_fields.hpp"
#include "storage/model/json_text.hpp"
#include "tests/unit/storage/model/definition_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;

namespace {

composite_handler composite_of(const char* plan)
{
    return std::get<composite_handler>(good(with_handler(R"({"type":"composite","plan":)" + std::string(plan) + "}")).handler);
}

}

TEST_CASE("a composite job names a plan, or brings one along", "[unit][definition][composite]")
{
    const auto named = composite_of(R"("nightly")");
    CHECK(named.plan_id == "nightly");
    CHECK(!named.plan);

    const auto given = composite_of(R"({"nodes":[{"node_id":"a","handler":{"type":"noop"}},{"node_id":"b","job_id":"load","needs":[{"node":"a","condition":"$.exit_code == 0"}]}]})");
    CHECK(given.plan_id.empty());
    REQUIRE(given.plan);
    CHECK(given.plan->at("nodes").as_array().size() == 2);
    REQUIRE(given.paths.size() == 1);
    CHECK(given.paths[0].field == "nodes[1].needs[0].condition");
    CHECK(type_of(given) == "composite");
}

TEST_CASE("what is wrong in the plan of a composite job is told by its place", "[unit][definition][composite]")
{
    struct row {
        const char* why;
        std::string plan;
        std::string field;
    };
    const auto r = GENERATE(values<row>({
        {"no plan", "null", "handler.plan"},
        {"a number", "5", "handler.plan"},
        {"no slug", R"("A B")", "handler.plan"},
        {"a plan without nodes", "{}", "handler.plan.nodes"},
        {"a need of what is not there", R"({"nodes":[{"node_id":"a","job_id":"x","needs":["gone"]}]})", "handler.plan.nodes[0].needs[0]"},
        {"a handler in it", R"({"nodes":[{"node_id":"a","handler":{"type":"sleep"}}]})", "handler.plan.nodes[0].handler.seconds"},
        {"a plan in it", R"({"nodes":[{"node_id":"a","handler":{"type":"composite","plan":{"nodes":[{"node_id":"b"}]}}}]})",
         "handler.plan.nodes[0].handler.plan.nodes[0]"},
    }));
    INFO(r.why);
    const auto fields = fields_of(with_handler(R"({"type":"composite","plan":)" + r.plan + "}"));
    REQUIRE(fields.size() == 1);
    INFO(fields[0]);
    CHECK(fields[0].starts_with(r.field));
}

TEST_CASE("a cycle in the plan of a composite job is told as one, first, however deep it lies and whatever else is wrong", "[unit][definition][composite]")
{
    const std::string ring = R"({"nodes":[{"node_id":"a","job_id":"x","needs":["b"]},{"node_id":"b","job_id":"x","needs":["a"]}]})";
    const auto composite = [](const std::string& plan) { return R"({"type":"composite","plan":)" + plan + "}"; };
    struct row {
        const char* why;
        std::string handler;
        std::string place;
    };
    const auto r = GENERATE_COPY(values<row>({
        {"its own plan", composite(ring), "handler.plan.nodes[0].needs"},
        {"the plan of a node", composite(R"({"nodes":[{"node_id":"outer","handler":)" + composite(ring) + "}]}"), "handler.plan.nodes[0].handler.plan.nodes[0].needs"},
    }));
    INFO(r.why);
    const auto parsed = parse(R"({"timeout_seconds":-1,"handler":)" + r.handler + "}");
    REQUIRE(parsed.has_error());
    CHECK(parsed.error().code == errc::dependency_cycle);
    REQUIRE(parsed.error().fields.size() == 2);
    CHECK(parsed.error().fields[0].field == r.place);
    CHECK(parsed.error().fields[0].cycle_path == names{"a", "b", "a"});
    CHECK(parsed.error().fields[1].field == "timeout_seconds");
}

TEST_CASE("cycles of a part have their place though there are too many errors", "[unit][definition]")
{
    field_errors errors;
    for (std::size_t i = 0; i < field_errors::most; ++i) errors.add("many", nullptr, std::to_string(i));
    field_errors part;
    part.add_cycle("needs", {"a", "a"});
    part.add("also", nullptr, "is wrong");
    errors.add_all(std::move(part).take("The part"), "plan");
    const auto all = std::move(errors).take("All");
    CHECK(all.code == errc::dependency_cycle);
    REQUIRE(all.fields.size() == field_errors::most + 1);
    CHECK(all.fields.front().field == "plan.needs");
    CHECK(all.fields.back().message.find("the rest are left out") != std::string::npos);
}
