#include "runtime/plan/plan_checks.hpp"

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
namespace json = boost::json;

TEST_CASE("a plan is large by what is in it, wherever that stands", "[unit][plan]")
{
    const auto plan_of = [](json::array nodes) { return json::object{{"nodes", std::move(nodes)}}; };
    const json::object node{{"node_id", "a"}, {"job_id", "j"}};
    CHECK_FALSE(runtime::is_large({}));
    CHECK_FALSE(runtime::is_large(plan_of(json::array(1'000, node))));
    CHECK(runtime::is_large(plan_of(json::array(10'000, node))));
    json::object mapped = node;
    mapped["for_each"] = json::array(20'000, 1);
    CHECK(runtime::is_large(plan_of({mapped})));
    CHECK(runtime::is_large({{"nodes", json::array{node}}, {"parameters", {{"deep", {{"list", json::array(20'000, "x")}}}}}}));
}
