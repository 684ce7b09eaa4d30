#include "tests/unit/storage/model/definition_text.hpp"

#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;

TEST_CASE("rule 12, execution timeout: its configuration is read, and its three actions", "[unit][definition][timeout]")
{
    const auto d = good(noop_with(R"("timeout_seconds":3600,"timeout_action":"TERMINATE")"));
    CHECK(d.timeout == 3600s);
    CHECK(d.timeout_action == timeout_action::terminate);
    CHECK(good(noop_with(R"("timeout_seconds":1,"timeout_action":"WARN")")).timeout_action == timeout_action::warn);
    const auto extended = good(noop_with(R"("timeout_seconds":1,"timeout_action":"EXTEND","max_extensions":7)"));
    CHECK(extended.timeout_action == timeout_action::extend);
    CHECK(extended.max_extensions == 7);
    const auto plain = good(noop_with(R"("timeout_seconds":1,"timeout_action":"EXTEND")"));
    CHECK(plain.max_extensions == 3);
    CHECK(kept(plain, "max_extensions").empty());
    CHECK(good(noop_with(R"("timeout_action":"TERMINATE")")).timeout == std::nullopt);
    CHECK(good(noop_with(R"("max_extensions":0)")).max_extensions == 0);
    CHECK(good(noop_with(R"("queue_timeout_seconds":0.5)")).queue_timeout == 500ms);
    CHECK(good(noop_with(R"("idempotent":true)")).queue_timeout == std::nullopt);
}

TEST_CASE("rule 13, heartbeat monitoring: its configuration is read under both of its notations", "[unit][definition][heartbeat]")
{
    const auto flat = good(noop_with(R"("heartbeat_interval_seconds":30,"missed_heartbeat_limit":3)"));
    REQUIRE(flat.heartbeat);
    CHECK(flat.heartbeat->interval == 30s);
    CHECK(flat.heartbeat->missed_limit == 3);
    CHECK(kept(flat, "heartbeat") == R"({"interval_seconds":30,"missed_limit":3})");
    CHECK(kept(flat, "heartbeat_interval_seconds").empty());
    const auto own = good(noop_with(R"("heartbeat":{"interval_seconds":30.0,"missed_limit":3})"));
    CHECK(to_text(own.document) == to_text(flat.document));
    CHECK(good(noop_with(R"("heartbeat":{"interval_seconds":1.5})")).heartbeat->interval == 1500ms);
    CHECK(good(noop_with(R"("missed_heartbeat_limit":1)")).heartbeat->missed_limit == 1);
    CHECK_FALSE(good(noop_with(R"("heartbeat":null,"missed_heartbeat_limit":null)")).heartbeat);
}

TEST_CASE("heartbeats that are asked for without figures take those of the settings, which the document does not keep", "[unit][definition][heartbeat]")
{
    definition_defaults defaults;
    defaults.heartbeat = {.interval = 45s, .missed_limit = 4};
    const auto d = parse(noop_with(R"("heartbeat":{})"), "j", defaults);
    REQUIRE(d.has_value());
    REQUIRE(d->heartbeat);
    CHECK(d->heartbeat->interval == 45s);
    CHECK(d->heartbeat->missed_limit == 4);
    CHECK(kept(*d, "heartbeat") == "{}");
    const auto partly = parse(noop_with(R"("heartbeat":{"interval_seconds":2})"), "j", defaults);
    REQUIRE(partly.has_value());
    CHECK(partly->heartbeat->interval == 2s);
    CHECK(partly->heartbeat->missed_limit == 4);
}

TEST_CASE("rule 14, checkpoint frequency: its configuration is read under both of its notations", "[unit][definition][checkpoint]")
{
    const auto flat = good(noop_with(R"("checkpoint_interval_seconds":300,"checkpoint_on_stage":true)"));
    CHECK(flat.checkpoint.interval == 300s);
    CHECK(flat.checkpoint.on_stage);
    CHECK(kept(flat, "checkpoint") == R"({"interval_seconds":300,"on_stage":true})");
    CHECK(to_text(good(noop_with(R"("checkpoint":{"interval_seconds":300,"on_stage":true})")).document) == to_text(flat.document));
    const auto bounded = good(noop_with(R"("checkpoint":{"max_bytes":67108864})"));
    CHECK(bounded.checkpoint.max_bytes == 64 << 20);
    CHECK(bounded.checkpoint.interval == std::nullopt);
    CHECK_FALSE(bounded.checkpoint.on_stage);
    CHECK(good(noop_with(R"("idempotent":true)")).checkpoint.max_bytes == 1 << 20);
}

TEST_CASE("rule 15, dead letter routing: its configuration is read under both of its notations", "[unit][definition][dead_letter]")
{
    const auto flat = good(noop_with(R"("dead_letter_enabled":true,"retention_hours":168)"));
    CHECK(flat.dead_letter.enabled);
    CHECK(flat.dead_letter.retention == 168h);
    CHECK(kept(flat, "dead_letter") == R"({"enabled":true,"retention_hours":168})");
    CHECK(to_text(good(noop_with(R"("dead_letter":{"enabled":true,"retention_hours":168})")).document) == to_text(flat.document));
    CHECK_FALSE(good(noop_with(R"("dead_letter_enabled":false)")).dead_letter.enabled);
    const auto plain = good(noop_with(R"("idempotent":true)"));
    CHECK(plain.dead_letter.enabled);
    CHECK(plain.dead_letter.retention == std::nullopt);
}

TEST_CASE("a circuit breaker is read whole, with defaults", "[unit][definition][breaker]")
{
    const auto own = good(noop_with(R"("circuit_breaker":{"failure_threshold":10,"failure_rate":0.5,"window_seconds":120,"open_seconds":0.5,"half_open_max":2,"scope":"JOB"})"));
    REQUIRE(own.breaker);
    CHECK(own.breaker->failure_threshold == 10);
    CHECK(own.breaker->failure_rate == 0.5);
    CHECK(own.breaker->window == 120s);
    CHECK(own.breaker->open == 500ms);
    CHECK(own.breaker->half_open_max == 2);
    CHECK_FALSE(own.breaker->per_target);
    const auto plain = good(noop_with(R"("circuit_breaker":{})"));
    REQUIRE(plain.breaker);
    CHECK(plain.breaker->failure_threshold == 5);
    CHECK(plain.breaker->failure_rate == std::nullopt);
    CHECK_FALSE(good(noop_with(R"("idempotent":true)")).breaker);
    CHECK(good(noop_with(R"("circuit_breaker":{"failure_rate":1})")).breaker->failure_rate == 1.0);
}

TEST_CASE("a breaker is shared by target only where the target is written out", "[unit][definition][breaker]")
{
    const auto with_url = [](std::string_view url) {
        return R"({"handler":{"type":"http","url":")" + std::string(url) + R"("},"circuit_breaker":{"scope":"TARGET"}})";
    };
    CHECK(good(with_url("http://api.example.org/{{ parameters.x }}")).breaker->per_target);
    CHECK(good(with_url("https://[::1]:8443/x")).breaker->per_target);
    for (const auto* url : {"{{ parameters.url }}", "http://{{ parameters.host }}/x", "http://x:{{ parameters.port }}/x"}) {
        INFO(url);
        CHECK(fields_of(with_url(url)) == names{"circuit_breaker.scope"});
    }
    CHECK(fields_of(noop_with(R"("circuit_breaker":{"scope":"TARGET"})")) == names{"circuit_breaker.scope"});
    // A handler that is refused itself says nothing about its target.
    CHECK(fields_of(R"({"handler":{"type":"nope"},"circuit_breaker":{"scope":"TARGET"},"heartbeat":{}})") == names{"handler.type"});
}

TEST_CASE("retention and dedupe are read", "[unit][definition]")
{
    const auto d = good(noop_with(R"("retention":{"history_days":30},"dedupe":true)"));
    CHECK(d.history_retention == 24h * 30);
    CHECK(d.dedupe);
    CHECK(good(noop_with(R"("retention":{"history_days":0})")).history_retention == 0ms);
    const auto plain = good(noop_with(R"("dedupe":false)"));
    CHECK(plain.history_retention == std::nullopt);
    CHECK_FALSE(plain.dedupe);
    CHECK(kept(plain, "dedupe") == "false");
}

TEST_CASE("what is said about failure and cannot be is refused, by the name that was given", "[unit][definition]")
{
    struct row { std::string members; names fields; };
    const auto r = GENERATE(values<row>({
        {R"("timeout_action":"STOP")", {"timeout_action"}},
        {R"("timeout_action":"EXTEND")", {"timeout_action"}},
        {R"("timeout_action":"WARN")", {"timeout_action"}},
        {R"("timeout_action":"EXTEND","timeout_seconds":-1)", {"timeout_seconds"}},
        {R"("max_extensions":-1)", {"max_extensions"}},
        {R"("max_extensions":1001)", {"max_extensions"}},
        {R"("queue_timeout_seconds":0)", {"queue_timeout_seconds"}},
        {R"("heartbeat":true)", {"heartbeat"}},
        {R"("heartbeat":{"interval_seconds":0.999})", {"heartbeat.interval_seconds"}},
        {R"("heartbeat_interval_seconds":0)", {"heartbeat_interval_seconds"}},
        {R"("missed_heartbeat_limit":0)", {"missed_heartbeat_limit"}},
        {R"("heartbeat":{"missed_limit":2},"missed_heartbeat_limit":3)", {"missed_heartbeat_limit"}},
        {R"("heartbeat":{"interval":5})", {"heartbeat.interval"}},
        {R"("checkpoint":{"interval_seconds":-1,"on_stage":"yes","max_bytes":0})", {"checkpoint.interval_seconds", "checkpoint.max_bytes", "checkpoint.on_stage"}},
        {R"("checkpoint":{"max_bytes":67108865})", {"checkpoint.max_bytes"}},
        {R"("checkpoint_on_stage":1)", {"checkpoint_on_stage"}},
        {R"("circuit_breaker":{"failure_threshold":0,"failure_rate":0,"window_seconds":0,"open_seconds":0,"half_open_max":0,"scope":"HOST"})",
         {"circuit_breaker.failure_rate", "circuit_breaker.failure_threshold", "circuit_breaker.half_open_max", "circuit_breaker.open_seconds", "circuit_breaker.scope",
          "circuit_breaker.window_seconds"}},
        {R"("circuit_breaker":{"failure_rate":1.01})", {"circuit_breaker.failure_rate"}},
        {R"("circuit_breaker":{"failure_rate":-0.1})", {"circuit_breaker.failure_rate"}},
        {R"("circuit_breaker":5)", {"circuit_breaker"}},
        {R"("dead_letter":{"enabled":"no","retention_hours":0})", {"dead_letter.enabled", "dead_letter.retention_hours"}},
        {R"("retention_hours":1.5)", {"retention_hours"}},
        {R"("retention":{"history_days":-1})", {"retention.history_days"}},
        {R"("retention":{"history_days":36501})", {"retention.history_days"}},
        {R"("retention":{"days":5})", {"retention.days"}},
        {R"("dedupe":"yes")", {"dedupe"}},
    }));
    INFO(r.members);
    const auto all = errors_of(noop_with(r.members));
    CHECK(fields_of(noop_with(r.members)) == r.fields);
    for (const auto& e : all) {
        CHECK_FALSE(e.message.empty());
        CHECK_FALSE(e.value.empty());
    }
}

TEST_CASE("a refusal says what to do", "[unit][definition]")
{
    struct row { std::string text; std::string remedy; };
    const auto r = GENERATE(values<row>({
        {noop_with(R"("timeout_action":"EXTEND")"), "EXTEND needs timeout_seconds; give it, or leave timeout_action out"},
        {noop_with(R"("circuit_breaker":{"failure_rate":0})"), "leave it out to count failures in a row"},
        {noop_with(R"("circuit_breaker":{"scope":"TARGET"})"), "use JOB, or leave it out"},
        {R"({"handler":{"type":"http","url":"http://x/"},"heartbeat":{}})", "set handler.completion to poll or webhook"},
        {noop_with(R"("heartbeat":{"missed_limit":2},"missed_heartbeat_limit":3)"), "is given as heartbeat.missed_limit too, and says otherwise; give one of them"},
    }));
    const auto all = errors_of(r.text);
    REQUIRE(all.size() == 1);
    CHECK_THAT(all[0].message, Catch::Contains(r.remedy));
}

TEST_CASE("flat names are named in errors at and below them, and in no others", "[unit][definition]")
{
    CHECK(fields_of(noop_with(R"("max_attempts":0,"retryable_codes":["A",""],"retry_policy":{"jitter_factor":2},"priority":5000)"))
          == names{"max_attempts", "priority", "retry_policy.jitter_factor", "retryable_codes[1]"});
}
