#include "storage/model/job_definition_parts.hpp"

#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::definition {

namespace json = boost::json;

namespace {

std::optional<int> read_most(json_fields& fields, std::string_view name)
{
    const auto n = fields.integer(name, 1, most_running);
    return n ? std::optional<int>(static_cast<int>(*n)) : std::nullopt;
}

// concurrency.key and max_running_per_key: executions with one value run so many at a time.
void read_key(json_fields& fields, job_limits& limits, job_definition& made)
{
    constexpr std::int64_t most_per_key = 1000;
    const auto key = fields.find("key");
    const auto most = fields.find("max_running_per_key");
    auto path = read_parameter_path(fields, "key");
    const auto n = fields.integer("max_running_per_key", 1, most_per_key);
    if (most && !key) fields.refuse(most, "limits executions that have the same value of concurrency.key, which is not given; give it, or use max_running");
    if (!path) return;
    if (!made.ordering_path.empty()) {
        fields.refuse(key, "cannot stand beside ordering_key, which lets executions with one value run one at a time; give one of them");
        return;
    }
    made.ordering_path = std::move(path->names);
    made.ordering_width = static_cast<int>(n.value_or(1));
    limits.key = std::move(path->text);
}

void read_concurrency(json_fields& definition, job_definition& made)
{
    auto& limits = made.limits;
    definition.object("concurrency", [&](json_fields& fields) {
        limits.max_running = read_most(fields, "max_running");
        const auto on_limit = fields.find("on_limit");
        limits.rejects = read_rejects(fields, "on_limit");
        if (limits.rejects && !fields.has("max_running")) fields.refuse(on_limit, "says what happens when max_running is reached, which is not given; give max_running, or leave on_limit out");
        read_key(fields, limits, made);
    });
}

}

void read_limits(json_fields& definition, job_definition& made)
{
    auto& limits = made.limits;
    read_concurrency(definition, made);
    limits.rate = read_start_rate(definition);
    const auto pool = definition.find("pool_concurrency_limit");
    limits.pool_max_running = read_most(definition, "pool_concurrency_limit");
    if (pool && limits.pool.empty()) definition.refuse(pool, "limits the pool that resources.resource_pool names, and it names none; give resource_pool, or leave it out");
    limits.global_max_running = read_most(definition, "global_max_concurrent");
    limits.tenant_max_running = read_most(definition, "concurrency_per_tenant");
    const auto mode = definition.find("enforcement_mode");
    limits.others_reject = read_rejects(definition, "enforcement_mode");
    if (limits.others_reject && !pool && !definition.has("global_max_concurrent")) {
        definition.refuse(mode, "says what happens at global_max_concurrent or pool_concurrency_limit, and neither is given; give one, or leave it out");
    }
}

}
