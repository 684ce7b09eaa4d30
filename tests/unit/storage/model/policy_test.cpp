#include "storage/model/json_text.hpp"
#include "storage/model/policy.hpp"
#include "tests/unit/storage/model/definition_text.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

result<policy> read(const std::string& body)
{
    return parse_policy(boost::json::parse(body).as_object());
}

names refused(const std::string& body)
{
    const auto p = read(body);
    if (p) return {};
    names fields;
    for (const auto& each : p.error().fields) fields.push_back(each.field);
    std::sort(fields.begin(), fields.end());
    return fields;
}

}

TEST_CASE("a policy is read and kept in one notation", "[unit][policies]")
{
    const auto p = read(R"({"type":"ALLOWED_HANDLERS","scope":{"kind":"global"},"enforcement_level":"block","payload":{"allow":["http","sql"]},"reason":"no shells"})");
    REQUIRE(p.has_value());
    CHECK(p->type == policy_type::allowed_handlers);
    CHECK(p->key == "all");
    CHECK(p->blocks);
    CHECK(p->enabled);
    CHECK(p->allow == std::vector<std::string>{"http", "sql"});
    CHECK(p->reason == "no shells");
    CHECK(to_text(p->document).find("no shells") == std::string::npos);
    const auto again = parse_policy(p->document);
    REQUIRE(again.has_value());
    CHECK(to_text(again->document) == to_text(p->document));

    const auto b = read(R"({"type":"BUDGET","scope":{"kind":"job_type","key":"INGESTION"},"enforcement_level":"warn","enabled":false,"payload":{"attempts":3,"seconds":1.5,"cost_units":10,"per":"run"}})");
    REQUIRE(b.has_value());
    CHECK(b->scope == policy_scope::job_type);
    CHECK(!b->blocks);
    CHECK(!b->enabled);
    CHECK(b->budget.attempts == 3);
    CHECK(b->budget.seconds == 1500ms);
    CHECK(b->budget.cost_units == 10.0);
}

TEST_CASE("what is wrong with a policy is refused by field, all at once", "[unit][policies]")
{
    struct row { const char* why; const char* body; names fields; };
    const auto& r = GENERATE(values<row>({
        {"nothing is given", R"({})", {"enforcement_level", "payload", "scope", "type"}},
        {"each member by itself", R"({"type":"TRUST","scope":{"kind":"pool","key":"x"},"enforcement_level":"deny","payload":{},"more":1})", {"enforcement_level", "more", "scope.kind", "type"}},
        {"a scope needs its key", R"({"type":"BUDGET","scope":{"kind":"job"},"enforcement_level":"warn","payload":{"attempts":1,"per":"run"}})", {"scope.key"}},
        {"global has none but all", R"({"type":"BUDGET","scope":{"kind":"global","key":"x"},"enforcement_level":"warn","payload":{"attempts":1,"per":"run"}})", {"scope.key"}},
        {"a list is asked for", R"({"type":"ALLOWED_HANDLERS","scope":{"kind":"global"},"enforcement_level":"warn","payload":{}})", {"payload.allow"}},
        {"of handlers that there are", R"({"type":"ALLOWED_HANDLERS","scope":{"kind":"global"},"enforcement_level":"warn","payload":{"allow":["shell"]}})", {"payload.allow[0]"}},
        {"of lifecycles that there are", R"({"type":"ALLOWED_LIFECYCLES","scope":{"kind":"global"},"enforcement_level":"warn","payload":{"allow":["stable","old"]}})", {"payload.allow[1]"}},
        {"a budget of something", R"({"type":"BUDGET","scope":{"kind":"global"},"enforcement_level":"warn","payload":{}})", {"payload.attempts", "payload.per"}},
        {"amounts in their bounds", R"({"type":"BUDGET","scope":{"kind":"global"},"enforcement_level":"warn","payload":{"attempts":0,"seconds":0,"cost_units":-1,"per":"week"}})",
         {"payload.attempts", "payload.cost_units", "payload.per", "payload.seconds"}},
        {"a day is a tenant's, and not a job's", R"({"type":"BUDGET","scope":{"kind":"job","key":"x"},"enforcement_level":"warn","payload":{"attempts":1,"per":"tenant_day"}})", {"payload.per"}},
        {"a plan run is not a job's", R"({"type":"BUDGET","scope":{"kind":"job","key":"x"},"enforcement_level":"warn","payload":{"attempts":1,"per":"plan"}})", {"payload.per"}},
        {"a plan has no budget per run", R"({"type":"BUDGET","scope":{"kind":"plan","key":"x"},"enforcement_level":"warn","payload":{"attempts":1,"per":"run"}})", {"payload.per"}},
        {"a plan has budgets only", R"({"type":"ALLOWED_HANDLERS","scope":{"kind":"plan","key":"x"},"enforcement_level":"warn","payload":{"allow":[]}})", {"type"}},
        {"no list in a budget", R"({"type":"BUDGET","scope":{"kind":"global"},"enforcement_level":"warn","payload":{"attempts":1,"per":"run","allow":[]}})", {"payload.allow"}},
    }));
    INFO(r.why);
    CHECK(refused(r.body) == r.fields);
}
