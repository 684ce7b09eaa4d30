#include "runtime/execute/submit_plan.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace rowlock::runtime {

namespace {

// What executions of one extent have in common.
struct likeness {
    lane_id lane;
    int version;
    int priority;
    std::optional<timestamp> scheduled;
    trigger_type trigger;
    std::string_view submitter;
    int hold;

    auto operator<=>(const likeness&) const = default;
};

// What take_keys_1 makes the fingerprint of. No client's key begins with a space.
const std::string fingerprint_mark = " ";

// What it may have to wait for, and whether it may be skipped, see submit_1. Who replays wants it now, or in its turn.
constexpr int skip_mark = 4;

int hold_of(const submission& s)
{
    const auto& definition = s.job->definition;
    return (definition.waits() && !s.ignore_dependencies && !s.replay_of ? 1 : 0) + (definition.ordering_path.empty() ? 0 : 2) + (definition.skip_outside_window ? skip_mark : 0);
}

likeness likeness_of(const submit_request& request, const submission& s)
{
    return {s.job->lane, s.job->version, s.priority, s.scheduled_time, request.trigger, request.submitter, hold_of(s)};
}

}

submit_plan lay_out(const std::vector<const submit_request*>& requests, identity::block block, int slots)
{
    submit_plan plan;
    struct group {
        std::vector<std::pair<std::size_t, std::size_t>> members;
    };
    std::vector<group> groups;
    std::map<likeness, std::size_t> known;
    const likeness* last_like = nullptr;
    std::size_t last = 0;

    plan.ids.resize(requests.size());
    for (std::size_t r = 0; r < requests.size(); ++r) {
        const submit_request& request = *requests[r];
        plan.ids[r].resize(request.items.size());
        if (!request.batch_key.empty()) plan.keys.push_back({r, 0, true});
        for (std::size_t i = 0; i < request.items.size(); ++i) {
            const submission& s = request.items[i];
            if (!s.idempotency_key.empty()) plan.keys.push_back({r, i, false});
            if (s.job->definition.dedupe) plan.keys.push_back({r, i, false, true});
            const likeness like = likeness_of(request, s);
            if (!last_like || *last_like != like) {
                const auto [at, fresh] = known.try_emplace(like, groups.size());
                if (fresh) groups.emplace_back();
                last_like = &at->first;
                last = at->second;
            }
            groups[last].members.emplace_back(r, i);
        }
    }

    std::uint32_t ordinal = 0;
    for (const auto& g : groups) {
        std::size_t at = 0;
        const submission& first = requests[g.members[0].first]->items[g.members[0].second];
        while (at < g.members.size()) {
            std::size_t n = g.members.size() - at;
            const bool alone = (hold_of(first) & ~skip_mark) > 0;
            const bool start = slots > 0 && !first.scheduled_time && !alone;
            if (start) n = std::min(n, static_cast<std::size_t>(slots));
            if (alone) n = 1;
            submit_plan::extent x{block.id(ordinal), {}, static_cast<int>(n), plan.places.size(), start};
            for (std::size_t k = 0; k < n; ++k) {
                const auto [r, i] = g.members[at + k];
                const execution_id id = block.id(ordinal++);
                plan.places.push_back({r, i, id, static_cast<int>(plan.extents.size()) + 1});
                plan.ids[r][i] = id;
            }
            x.hi = plan.places.back().id;
            plan.extents.push_back(x);
            if (start) slots -= static_cast<int>(n);
            at += n;
        }
    }
    return plan;
}

void fill(storage::submit_batch& c, const submit_plan& plan, const std::vector<const submit_request*>& requests, const lane_floors& floors)
{
    c.clear();
    const bool keyed = !plan.keys.empty();
    bool any_correlation = false;
    bool any_tags = false;
    bool any_trace = false;
    bool any_replay = false;
    for (const auto& p : plan.places) {
        const submission& s = requests[p.request]->items[p.item];
        any_correlation = any_correlation || !s.correlation_id.empty();
        any_tags = any_tags || !s.tags.empty();
        any_trace = any_trace || !s.trace_parent.empty();
        any_replay = any_replay || s.replay_of;
    }
    for (const auto& p : plan.places) {
        const submission& s = requests[p.request]->items[p.item];
        c.id.add(p.id);
        c.extent.add(static_cast<std::int32_t>(p.extent));
        if (keyed) c.unit.add(static_cast<std::int32_t>(p.request) + 1);
        if (s.parameters == "{}") {
            c.parameters.add_null();
        } else {
            c.parameters.add(std::string_view(s.parameters));
        }
        if (any_correlation) c.correlation.add_text_or_null(s.correlation_id);
        if (any_tags) c.tags.add_text_or_null(s.tags);
        if (any_trace) c.trace.add_text_or_null(s.trace_parent);
        if (any_replay) s.replay_of ? c.replay_of.add(*s.replay_of) : c.replay_of.add_null();
    }
    const bool any_wait = std::any_of(plan.extents.begin(), plan.extents.end(), [&](const auto& x) {
        const auto& p = plan.places[x.first];
        return requests[p.request]->items[p.item].job->definition.queue_timeout.has_value();
    });
    const bool any_hold = std::any_of(plan.extents.begin(), plan.extents.end(), [&](const auto& x) {
        const auto& p = plan.places[x.first];
        return hold_of(requests[p.request]->items[p.item]) > 0;
    });
    for (const auto& x : plan.extents) {
        const auto& p = plan.places[x.first];
        const submit_request& request = *requests[p.request];
        const submission& s = request.items[p.item];
        c.lo.add(x.lo);
        c.hi.add(x.hi);
        c.n.add(static_cast<std::int32_t>(x.n));
        c.tenant.add(request.tenant.value);
        c.lane.add(s.job->lane.value);
        c.job.add(s.job->job.value);
        c.version.add(static_cast<std::int32_t>(s.job->version));
        c.priority.add(static_cast<std::int16_t>(s.priority));
        c.trigger.add(static_cast<std::int16_t>(request.trigger));
        c.eligible.add(s.scheduled_time);
        c.submitter.add_text_or_null(request.submitter == "local" ? std::string_view() : std::string_view(request.submitter));
        if (any_wait) c.wait_ms.add(s.job->definition.queue_timeout ? std::optional<std::int64_t>(s.job->definition.queue_timeout->count()) : std::nullopt);
        if (floors.any()) c.from.add(floors.of(s.job->lane));
        if (any_hold) c.hold.add(static_cast<std::int16_t>(hold_of(s)));
    }
    const bool any_fingerprint = std::any_of(plan.keys.begin(), plan.keys.end(), [](const auto& k) { return k.fingerprint; });
    for (const auto& k : plan.keys) {
        const submit_request& request = *requests[k.request];
        c.key_tenant.add(request.tenant.value);
        const submission& s = request.items[k.item];
        c.key.add(std::string_view(k.whole_request ? request.batch_key : k.fingerprint ? fingerprint_mark : s.idempotency_key));
        c.key_request.add(std::string_view(k.whole_request ? request.batch_key_request : k.fingerprint ? s.parameters : s.key_request));
        if (any_fingerprint) {
            c.key_job.add(s.job->job.value);
            c.key_version.add(static_cast<std::int32_t>(s.job->version));
        }
        c.key_unit.add(static_cast<std::int32_t>(k.request) + 1);
        c.key_execution.add(plan.ids[k.request][k.item]);
        if (k.whole_request) {
            std::string all = "{";
            for (const auto& id : plan.ids[k.request]) all += (all.size() > 1 ? "," : "") + id.str();
            c.key_executions.add(std::string_view(all + "}"));
        } else {
            c.key_executions.add_null();
        }
    }
}

}
