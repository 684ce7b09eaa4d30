#include "tests/unit/storage/model/definition_text.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

std::string depending_on(std::string_view dependencies)
{
    return noop_with("\"dependencies\":[" + std::string(dependencies) + "]");
}

std::vector<field_error> cycle_errors(std::string_view text)
{
    const auto d = parse(text);
    REQUIRE(d.has_error());
    CHECK(d.error().code == errc::dependency_cycle);
    return d.error().fields;
}

}

TEST_CASE("a dependency needs no more than its upstream", "[unit][definition][dependencies]")
{
    const auto d = good(depending_on(R"({"upstream_job_id":"fetch"})"));
    REQUIRE(d.dependencies.size() == 1);
    const auto& one = d.dependencies.front();
    CHECK(one.upstream_job_id == "fetch");
    CHECK(one.dependency_id == "j-fetch");
    CHECK(one.type == need_type::success);
    CHECK(one.condition.empty());
    CHECK_FALSE(one.window);
    CHECK_FALSE(one.skip_on_upstream_skip);
    CHECK_FALSE(one.timeout);
    CHECK(d.require_all);
    CHECK(d.paths.empty());
    // What is a default stays one: a copy under another id has its own.
    CHECK(kept(d, "dependencies") == R"([{"upstream_job_id":"fetch"}])");
}

TEST_CASE("a dependency says when an end counts, for how long, and how long it is waited for", "[unit][definition][dependencies]")
{
    const auto d = good(noop_with(R"("require_all":false,"dependencies":[{"upstream_job_id":"a"},
        {"dependency_id":"mine","upstream_job_id":"b","dependency_type":"COMPLETION","condition":"$.exit_code == 0","window_seconds":90.50,"skip_on_upstream_skip":true,"timeout_seconds":3600.0},
        {"upstream_job_id":"c","dependency_type":"DATA_READY","window":60}])"));
    CHECK_FALSE(d.require_all);
    REQUIRE(d.dependencies.size() == 3);
    const auto& b = d.dependencies[1];
    CHECK(b.dependency_id == "mine");
    CHECK(b.type == need_type::completion);
    CHECK(b.condition == "$.exit_code == 0");
    CHECK(b.window == 90'500ms);
    CHECK(b.skip_on_upstream_skip);
    CHECK(b.timeout == 3600s);
    CHECK(d.dependencies[2].type == need_type::data_ready);
    CHECK(d.dependencies[2].window == 60s);
    REQUIRE(d.paths.size() == 1);
    CHECK(d.paths[0].field == "dependencies[1].condition");
    CHECK(d.paths[0].path == "$.exit_code == 0");
    CHECK(kept(d, "dependencies") == R"([{"upstream_job_id":"a"},{"upstream_job_id":"b","dependency_id":"mine","dependency_type":"COMPLETION","condition":"$.exit_code == 0",)"
                                     R"("window":90.5,"skip_on_upstream_skip":true,"timeout_seconds":3600},{"upstream_job_id":"c","dependency_type":"DATA_READY","window":60}])");
}

TEST_CASE("what is wrong with dependencies is told all at once, by field", "[unit][definition][dependencies]")
{
    struct row { std::string dependencies; names fields; };
    const auto r = GENERATE(values<row>({
        {R"({})", {"dependencies[0].upstream_job_id"}},
        {R"({"upstream_job_id":"A B","dependency_type":"MAYBE","window":0,"timeout_seconds":-1,"skip_on_upstream_skip":1,"condition":"","dependency_id":"x y"})",
         {"dependencies[0].condition", "dependencies[0].dependency_id", "dependencies[0].dependency_type", "dependencies[0].skip_on_upstream_skip", "dependencies[0].timeout_seconds",
          "dependencies[0].upstream_job_id", "dependencies[0].window"}},
        {R"({"upstream_job_id":"a","window":1,"window_seconds":2})", {"dependencies[0].window_seconds"}},
        {R"({"upstream_job_id":"a","needs":"b"})", {"dependencies[0].needs"}},
        {R"({"upstream_job_id":"a"},"b",{"upstream_job_id":"a"})", {"dependencies[1]", "dependencies[2].upstream_job_id"}},
        {R"({"upstream_job_id":"a","dependency_id":"x"},{"upstream_job_id":"b","dependency_id":"x"})", {"dependencies[1].dependency_id"}},
        {R"({"upstream_job_id":"a","dependency_id":"j-b"},{"upstream_job_id":"b"})", {"dependencies[1].dependency_id"}},
    }));
    CHECK(fields_of(depending_on(r.dependencies)) == r.fields);
    CHECK(fields_of(noop_with(R"("dependencies":{"a":1},"require_all":"yes")")) == names{"dependencies", "require_all"});
}

TEST_CASE("a definition has at most 100 dependencies", "[unit][definition][dependencies]")
{
    const auto of = [](int n) {
        std::string all;
        for (int i = 0; i < n; ++i) all += std::string(i > 0 ? "," : "") + R"({"upstream_job_id":"u)" + std::to_string(i) + "\"}";
        return all;
    };
    CHECK(good(depending_on(of(100))).dependencies.size() == 100);
    CHECK(fields_of(depending_on(of(101))) == names{"dependencies"});
}

TEST_CASE("a job that depends on itself is a cycle of one", "[unit][definition][dependencies]")
{
    const auto all = cycle_errors(noop_with(R"("dependencies":[{"upstream_job_id":"a"},{"upstream_job_id":"j"}],"timeout_seconds":-1)"));
    REQUIRE(all.size() == 2);
    CHECK(all[0].field == "dependencies[1].upstream_job_id");
    CHECK(all[0].cycle_path == names{"j", "j"});
    CHECK(all[1].field == "timeout_seconds");
}

TEST_CASE("an execution may have to wait where its job depends on something, or reads something", "[unit][definition][dependencies]")
{
    CHECK(good(depending_on(R"({"upstream_job_id":"a"})")).waits());
    CHECK(good(noop_with(R"("inputs":["raw"])")).waits());
    CHECK_FALSE(good(noop_with(R"("outputs":["raw"],"dependencies":[],"require_all":false)")).waits());
}

TEST_CASE("an ordering key is a way down into the parameters", "[unit][definition][ordering]")
{
    struct row { std::string given; std::string kept; names path; };
    const auto r = GENERATE(values<row>({
        {"customer", "customer", {"customer"}},
        {"customer.id", "customer.id", {"customer", "id"}},
        {"$.customer.id", "customer.id", {"customer", "id"}},
        {"a.B.c-1.d_2.e.f.g.8", "a.B.c-1.d_2.e.f.g.8", {"a", "B", "c-1", "d_2", "e", "f", "g", "8"}},
    }));
    const auto d = good(noop_with("\"ordering_key\":\"" + r.given + "\""));
    CHECK(d.ordering_key == r.kept);
    CHECK(d.ordering_path == r.path);
    CHECK(kept(d, "ordering_key") == "\"" + r.kept + "\"");
    CHECK(good(noop_with(R"("ordering_key":null)")).ordering_path.empty());
}

TEST_CASE("an ordering key that is no way down is refused, with the value and the remedy", "[unit][definition][ordering]")
{
    const auto given = GENERATE(as<std::string>(), R"("")", R"("$")", R"("$.")", R"(".a")", R"("a.")", R"("a..b")", R"("a b")", R"("a[0]")", R"("$.a.*")", R"("ä")",
                                R"("a.b.c.d.e.f.g.h.i")", R"(["a"])", "5");
    const auto all = errors_of(noop_with("\"ordering_key\":" + given));
    REQUIRE(all.size() == 1);
    CHECK(all[0].field == "ordering_key");
    CHECK(all[0].value == given);
}

TEST_CASE("a definition says what is cancelled with its executions", "[unit][definition][cancel]")
{
    struct row { std::string members; cancel_cascade expected; };
    const auto r = GENERATE(values<row>({
        {R"("name":"n")", cancel_cascade::none},
        {R"("cascade_cancel":false)", cancel_cascade::none},
        {R"("cascade_cancel":true)", cancel_cascade::immediate_dependents},
        {R"("cascade_cancel":true,"cancel_scope":"IMMEDIATE_DEPENDENTS")", cancel_cascade::immediate_dependents},
        {R"("cascade_cancel":true,"cancel_scope":"ALL_DOWNSTREAM")", cancel_cascade::all_downstream},
        {R"("cascade_cancel":false,"cancel_scope":"ALL_DOWNSTREAM")", cancel_cascade::none},
        {R"("cancel_scope":"NONE")", cancel_cascade::none},
        {R"("cascade_cancel":false,"cancel_scope":"NONE")", cancel_cascade::none},
    }));
    CHECK(good(noop_with(r.members)).on_cancel == r.expected);
}

TEST_CASE("a scope that contradicts cascade_cancel, or goes nowhere, is refused", "[unit][definition][cancel]")
{
    CHECK(fields_of(noop_with(R"("cascade_cancel":true,"cancel_scope":"NONE")")) == names{"cancel_scope"});
    CHECK(fields_of(noop_with(R"("cancel_scope":"ALL_DOWNSTREAM")")) == names{"cancel_scope"});
    CHECK(fields_of(noop_with(R"("cascade_cancel":"yes","cancel_scope":"EVERYTHING")")) == names{"cancel_scope", "cascade_cancel"});
}
