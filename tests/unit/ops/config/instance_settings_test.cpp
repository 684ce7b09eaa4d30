#include "ops/config/load.hpp"

#include <catch2/catch.hpp>

using namespace rowlock;
using namespace rowlock::ops;

namespace {

result<loaded_settings> load(const environment_variables& environment, const std::string& file = {})
{
    return load_settings(settings_mode::serve, file.empty() ? std::nullopt : std::optional(config_file{"rowlock.yaml", file}), environment, {});
}

std::string refusal_of(const std::string& name, const std::string& value)
{
    const auto loaded = load({{"ROWLOCK_" + name, value}});
    REQUIRE(loaded.has_error());
    CHECK(loaded.error().fields.at(0).field == name);
    return loaded.error().fields.at(0).message;
}

}

TEST_CASE("labels and numbers for handlers are pairs in the environment, and maps in the file", "[unit][settings][placement]")
{
    const std::map<std::string, std::string> labels{{"region", "eu"}, {"gpu", "true"}, {"topology/zone", "a=b"}, {"rack", "7"}};
    const std::map<std::string, int> counts{{"process", 4}, {"sql", 0}};
    const auto pairs = load({{"ROWLOCK_INSTANCE_LABELS", " region=eu, gpu=true,topology/zone=a=b,rack = 7,"}, {"ROWLOCK_EXECUTOR_PARALLELISM_BY_HANDLER", "process=4,sql=0"}});
    REQUIRE(pairs.has_value());
    CHECK(pairs->values.instance_labels.all == labels);
    CHECK(pairs->values.parallelism_by_handler.all == counts);
    const auto maps = load({}, "instance_labels: {region: eu, gpu: true, topology/zone: a=b, rack: 7}\nexecutor_parallelism_by_handler: {process: 4, sql: 0}\n");
    REQUIRE(maps.has_value());
    CHECK(maps->values.instance_labels.all == labels);
    CHECK(maps->values.parallelism_by_handler.all == counts);
    // The later source replaces the whole.
    const auto both = load({{"ROWLOCK_INSTANCE_LABELS", "region=us"}}, "instance_labels: \"region=eu,gpu=true\"\n");
    REQUIRE(both.has_value());
    CHECK(both->values.instance_labels.all == std::map<std::string, std::string>{{"region", "us"}});
    CHECK(load({})->values.instance_labels.all.empty());
}

TEST_CASE("what is wrong with a label or a number for a handler is said", "[unit][settings][placement]")
{
    struct row { const char* why; const char* name; std::string value; const char* says; };
    const auto r = GENERATE(values<row>({
        {"no value", "INSTANCE_LABELS", "region", "region has no ="},
        {"an empty value", "INSTANCE_LABELS", "region=", "1 to 128 visible ASCII characters"},
        {"a value with a blank", "INSTANCE_LABELS", "region=a b", "1 to 128 visible ASCII characters"},
        {"a long value", "INSTANCE_LABELS", "region=" + std::string(129, 'x'), "1 to 128 visible ASCII characters"},
        {"a name in capitals", "INSTANCE_LABELS", "Region=eu", "beginning with a letter or digit"},
        {"no name", "INSTANCE_LABELS", "=eu", "beginning with a letter or digit"},
        {"twice", "INSTANCE_LABELS", "a=1,a=2", "once"},
        {"no such handler", "EXECUTOR_PARALLELISM_BY_HANDLER", "proces=4", "they are noop, sleep, fail, process, http, sql, composite"},
        {"no number", "EXECUTOR_PARALLELISM_BY_HANDLER", "process=x", "integer from 0 to 100000"},
        {"too many", "EXECUTOR_PARALLELISM_BY_HANDLER", "process=100001", "integer from 0 to 100000"},
        {"below zero", "EXECUTOR_PARALLELISM_BY_HANDLER", "process=-1", "integer from 0 to 100000"},
    }));
    INFO(r.why);
    CHECK_THAT(refusal_of(r.name, r.value), Catch::Contains(r.says));
}

TEST_CASE("an instance has a bounded number of labels", "[unit][settings][placement]")
{
    std::string labels;
    for (int i = 0; i < 32; ++i) labels += "l" + std::to_string(i) + "=x,";
    CHECK(load({{"ROWLOCK_INSTANCE_LABELS", labels}})->values.instance_labels.all.size() == 32);
    CHECK_THAT(refusal_of("INSTANCE_LABELS", labels + "one=more"), Catch::Contains("at most 32 labels"));
}
