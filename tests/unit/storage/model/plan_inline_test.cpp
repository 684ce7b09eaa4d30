#include "tests/unit/storage/model/plan_text.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

using namespace rowlock;

namespace {

using fields = std::vector<std::string>;

std::string job_of(std::string_view members)
{
    const auto plan = good_plan(plan_of({"a: " + std::string(members)}));
    REQUIRE(plan.inline_jobs.size() == 1);
    return plan.job_id_of(plan.nodes[0]);
}

}

TEST_CASE("a node's handler is a job of its own, read as definitions are", "[unit][plan]")
{
    const auto plan = good_plan(plan_of({R"(a: "handler":{"type":"sleep","seconds":0.5},"timeout_seconds":60,"max_attempts":2,"type":"validator","idempotent":true,
        "parameters":{"n":1},"priority":7,"tags":{"x":"y"},"heartbeat":{"interval_seconds":5})"}));
    REQUIRE(plan.inline_jobs.size() == 1);
    const auto& job = *plan.inline_jobs[0];
    CHECK(plan.nodes[0].inline_job == 0U);
    CHECK(plan.nodes[0].job_id.empty());
    CHECK(plan.job_id_of(plan.nodes[0]) == job.job_id);
    CHECK(std::get<sleep_handler>(job.handler).duration == milliseconds{500});
    CHECK(job.timeout == milliseconds{60'000});
    CHECK(job.retry.max_attempts == 2);
    CHECK(job.idempotent);
    REQUIRE(job.heartbeat);
    CHECK(plan.nodes[0].gate);
    CHECK(plan.nodes[0].priority == 7);
    CHECK_FALSE(job.priority);
    CHECK(job.parameters.empty());
    CHECK(to_text(job.document.at("job_id")) == "\"" + job.job_id + "\"");
    CHECK(to_text(plan.document.at("nodes")).find(R"("retry_policy":{"max_attempts":2})") != std::string::npos);
}

TEST_CASE("equal handlers are one job, whatever the nodes say about themselves and in whatever order", "[unit][plan]")
{
    const auto plan = good_plan(plan_of({R"(a: "handler":{"type":"fail","error_code":"E","times":1},"timeout_seconds":5)",
                                         R"(b: "timeout_seconds":5.0,"parameters":{"z":1},"needs":["a"],"handler":{"times":1,"error_code":"E","type":"fail"})",
                                         R"(c: "handler":{"type":"fail","error_code":"F","times":1},"timeout_seconds":5)"}));
    CHECK(plan.inline_jobs.size() == 2);
    CHECK(plan.nodes[0].inline_job == plan.nodes[1].inline_job);
    CHECK(plan.nodes[0].inline_job != plan.nodes[2].inline_job);
    const auto id = job_of(R"("handler":{"type":"http","url":"http://x/","body":{"a":1,"b":2}})");
    CHECK(id == job_of(R"("handler":{"type":"http","url":"http://x/","body":{"b":2,"a":1}})"));
    CHECK(id != job_of(R"("handler":{"type":"http","url":"http://x/","body":{"b":1,"a":2}})"));
    REQUIRE(id.size() == 7 + 16);
    CHECK(id.starts_with("inline."));
    CHECK(std::all_of(id.begin() + 7, id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }));
    CHECK(is_slug(id));
    // It is the name of something stored: it stays the same.
    CHECK(job_of(R"("handler":{"type":"noop"})") == "inline.ef6b0c61c0089fc2");
}

TEST_CASE("templates in a handler are the handler's", "[unit][plan]")
{
    const auto plan = good_plan(plan_of({R"(a: "handler":{"type":"http","url":"http://x/{{ parameters.n }}","body":{"b":"{{ execution.run_id }} {{ whatever }}"}})"}));
    CHECK(plan.nodes[0].templates.empty());
    CHECK(std::get<http_handler>(plan.inline_jobs[0]->handler).url == "http://x/{{ parameters.n }}");
}

TEST_CASE("what is wrong with a handler is named by the node's field", "[unit][plan]")
{
    struct row { std::string members; fields refused; };
    const auto r = GENERATE(values<row>({
        {R"("handler":{})", {"nodes[1].handler.type"}},
        {R"("handler":1)", {"nodes[1].handler"}},
        {R"("handler":{"type":"sleep"},"timeout_seconds":0,"nonsense":1)", {"nodes[1].handler.seconds", "nodes[1].nonsense", "nodes[1].timeout_seconds"}},
        {R"("handler":{"type":"noop"},"max_attempts":0,"multiplier":0)", {"nodes[1].max_attempts", "nodes[1].multiplier"}},
        {R"("handler":{"type":"noop"},"job_version":1)", {"nodes[1].job_version"}},
        {R"("handler":{"type":"noop"},"type":"gate")", {"nodes[1].type"}},
        {R"("handler":{"type":"noop"},"schedule":{"interval_seconds":5},"dependencies":[],"enabled":true,"dedupe":true,"reason":null)",
         {"nodes[1].dedupe", "nodes[1].dependencies", "nodes[1].enabled", "nodes[1].schedule"}},
        {R"("handler":{"type":"noop"},"cron_expression":"@daily","timezone":"UTC","execution_windows":[{"start":"06:00","end":"22:00"}],"skip_outside_window":true)",
         {"nodes[1].cron_expression", "nodes[1].execution_windows", "nodes[1].skip_outside_window", "nodes[1].timezone"}},
        {R"("handler":{"type":"process","command":["a\u0000b"]})", {"nodes[1].handler.command[0]"}},
    }));
    INFO(r.members);
    CHECK(refused_fields(plan_of({"x", "a: " + r.members})) == r.refused);
}
