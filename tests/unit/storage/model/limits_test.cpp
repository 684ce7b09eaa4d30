#include "storage/model/json_text.hpp"
#include "storage/model/limit.hpp"
#include "tests/unit/storage/model/definition_text.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace rowlock;
using namespace std::chrono_literals;

namespace {

result<limit_to_put> put(const std::string& body, limit_kind kind = limit_kind::job)
{
    return parse_limit(boost::json::parse(body).as_object(), kind);
}

names refused(const std::string& body, limit_kind kind = limit_kind::job)
{
    const auto limit = put(body, kind);
    if (limit) return {};
    names fields;
    for (const auto& each : limit.error().fields) fields.push_back(each.field);
    std::sort(fields.begin(), fields.end());
    return fields;
}

}

TEST_CASE("a limit says how many run, what becomes of more, how many start, and what a pool has", "[unit][limits]")
{
    const auto plain = put(R"({"max_running":5})");
    REQUIRE(plain.has_value());
    CHECK(plain->max_running == 5);
    CHECK_FALSE(plain->rejects);
    CHECK_FALSE(plain->rate);
    const auto all = put(R"({"max_running":0,"on_limit":"REJECT","rate_limit":{"starts":10,"per_seconds":0.5},"resources":{"cpu_cores":2.5,"memory_mb":1024}})", limit_kind::pool);
    REQUIRE(all.has_value());
    CHECK(all->max_running == 0);
    CHECK(all->rejects);
    CHECK(all->rate->starts == 10);
    CHECK(all->rate->per == 500ms);
    CHECK(all->resources.amounts[0] == 2500);
    CHECK(all->resources.amounts[1] == 1024);
    CHECK_FALSE(all->resources.amounts[2]);
    CHECK_FALSE(put(R"({"rate_limit":{"starts":1,"per_seconds":60}})")->max_running);
}

TEST_CASE("a bad limit is refused by every field that is wrong", "[unit][limits]")
{
    struct row { const char* why; std::string body; limit_kind kind; names fields; };
    const auto r = GENERATE(values<row>({
        {"it limits nothing", "{}", limit_kind::job, {"max_running"}},
        {"nor does an empty capacity", R"({"resources":{}})", limit_kind::pool, {"max_running"}},
        {"a number is not negative", R"({"max_running":-1})", limit_kind::job, {"max_running"}},
        {"nor beyond bounds", R"({"max_running":1000001})", limit_kind::job, {"max_running"}},
        {"nor a text, nor a fraction", R"({"max_running":"5"})", limit_kind::job, {"max_running"}},
        {"it queues or rejects", R"({"max_running":1,"on_limit":"DROP"})", limit_kind::job, {"on_limit"}},
        {"what rejects has a number", R"({"on_limit":"REJECT","rate_limit":{"starts":1,"per_seconds":1}})", limit_kind::job, {"on_limit"}},
        {"a rate has both members", R"({"rate_limit":{"starts":0}})", limit_kind::job, {"rate_limit.per_seconds", "rate_limit.starts"}},
        {"a period has bounds", R"({"rate_limit":{"starts":1,"per_seconds":0.01}})", limit_kind::job, {"rate_limit.per_seconds"}},
        {"resources are of pools", R"({"max_running":1,"resources":{"memory_mb":1}})", limit_kind::tenant, {"resources"}},
        {"all of it at once", R"({"max_running":-1,"on_limit":"X","extra":1})", limit_kind::global, {"extra", "max_running", "on_limit"}},
    }));
    INFO(r.why);
    CHECK(refused(r.body, r.kind) == r.fields);
}

TEST_CASE("a definition limits its job, a key of its parameters, its rate, its pool and its tenant", "[unit][limits][definition]")
{
    const auto d = good(noop_with(R"("concurrency":{"max_running":3,"on_limit":"REJECT","key":"$.customer.id","max_running_per_key":2},"rate_limit":{"starts":5,"per_seconds":1},
        "resource_pool":"p","pool_concurrency_limit":7,"global_max_concurrent":50,"enforcement_mode":"REJECT","concurrency_per_tenant":9)"));
    CHECK(d.limits.max_running == 3);
    CHECK(d.limits.rejects);
    CHECK(d.limits.rate->starts == 5);
    CHECK(d.limits.pool == "p");
    CHECK(d.limits.pool_max_running == 7);
    CHECK(d.limits.global_max_running == 50);
    CHECK(d.limits.others_reject);
    CHECK(d.limits.tenant_max_running == 9);
    CHECK(d.ordering_path == names{"customer", "id"});
    CHECK(d.ordering_width == 2);
    CHECK(to_text(d.document.at("concurrency")) == R"({"max_running":3,"on_limit":"REJECT","key":"customer.id","max_running_per_key":2})");
    CHECK(to_text(good(to_text(d.document)).document) == to_text(d.document));
    const auto asks = good(noop_with(R"("resources":{"cpu_cores":0.25,"memory_mb":512,"resource_pool":"p"})"));
    CHECK(asks.limits.request.amounts[0] == 250);
    CHECK(asks.limits.request.amounts[1] == 512);
}

TEST_CASE("limits of a definition that contradict themselves are refused", "[unit][limits][definition]")
{
    struct row { const char* why; std::string members; names fields; };
    const auto r = GENERATE(values<row>({
        {"a definition that lets nothing run is none", R"("concurrency":{"max_running":0})", {"concurrency.max_running"}},
        {"a number per key needs the key", R"("concurrency":{"max_running_per_key":2})", {"concurrency.max_running_per_key"}},
        {"the key is a way to a value", R"("concurrency":{"key":"a b"})", {"concurrency.key"}},
        {"an ordering key and a key of limits are two orders", R"("ordering_key":"a","concurrency":{"key":"b"})", {"concurrency.key"}},
        {"what rejects has a number", R"("concurrency":{"on_limit":"REJECT"})", {"concurrency.on_limit"}},
        {"a pool's limit needs the pool", R"("pool_concurrency_limit":2)", {"pool_concurrency_limit"}},
        {"a mode needs a limit", R"("enforcement_mode":"REJECT")", {"enforcement_mode"}},
        {"modes have names", R"("global_max_concurrent":5,"enforcement_mode":"DROP")", {"enforcement_mode"}},
        {"a rate has both members", R"("rate_limit":{"per_seconds":1})", {"rate_limit.starts"}},
    }));
    INFO(r.why);
    CHECK(fields_of(noop_with(r.members)) == r.fields);
}
