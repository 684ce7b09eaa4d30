#include "storage/queue_store.hpp"

#include "storage/limit_store.hpp"
#include "storage/rows.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

namespace rowlock::storage {

namespace {

// Calls f, and turns the SQLSTATE of a lost lease, or of a limit that rejects, into its exception.
template <class F>
auto with_lease(F f)
{
    try {
        return f();
    } catch (const pqxx::sql_error& e) {
        if (sqlstate_of(e) == "RL001") throw lease_lost_error(e.what());
        if (sqlstate_of(e) == "RL429") throw limits_reached_error(e.what());
        throw;
    }
}

}

void submit_batch::clear()
{
    for (array* a : {&id, &extent, &unit, &parameters, &correlation, &tags, &trace, &replay_of, &lo, &hi, &n, &tenant, &lane, &job, &version, &priority,
                     &trigger, &eligible, &submitter, &wait_ms, &from, &hold, &key_tenant, &key, &key_request, &key_unit, &key_execution, &key_executions, &key_job,
                     &key_version}) {
        a->clear();
    }
}

constexpr statement submit_statement{"submit", R"sql(
    select kind, k, execution_id, execution_ids::text from submit_1(nullif($1::int, 0), $2, $3, $4::int8 * interval '1 millisecond',
        $5::uuid[], $6::int[], $7::int[], $8::json[], $9::text[], $10::json[], $11::text[],
        $12::uuid[], $13::uuid[], $14::int[], $15::int[], $16::int[], $17::int[], $18::int[], $19::int2[], $20::int2[], $21::timestamptz[], $22::text[],
        $23::int8[], $24::timestamptz[], $25::uuid[], $26::int2[],
        $27::int[], $28::text[], $29::text[], $30::int[], $31::uuid[], $32::text[], $33::int[], $34::int[], $35, $36))sql"};

submit_reply submit(session& s, instance_id owner, int slots, std::chrono::milliseconds priority_age, std::chrono::milliseconds key_ttl, submit_batch& b, admission may)
{
    const auto rows = with_lease([&] {
        return s.exec(submit_statement, owner.value, slots, as_age(priority_age), key_ttl.count(), b.id.parameter(), b.extent.parameter(),
                      b.unit.parameter(), b.parameters.parameter(), b.correlation.parameter(), b.tags.parameter(), b.trace.parameter(), b.lo.parameter(),
                      b.hi.parameter(), b.n.parameter(), b.tenant.parameter(), b.lane.parameter(), b.job.parameter(), b.version.parameter(),
                      b.priority.parameter(), b.trigger.parameter(), b.eligible.parameter(), b.submitter.parameter(), b.wait_ms.parameter(),
                      b.from.parameter(), b.replay_of.parameter(), b.hold.parameter(), b.key_tenant.parameter(), b.key.parameter(), b.key_request.parameter(),
                      b.key_unit.parameter(), b.key_execution.parameter(), b.key_executions.parameter(), b.key_job.parameter(), b.key_version.parameter(), may.judged, may.queue_capacity);
    });
    submit_reply reply;
    for (const auto& row : rows) {
        const std::string_view kind = row[0].c_str();
        const int k = row[1].as<int>();
        if (kind == "o") {
            reply.owned.push_back(k);
        } else if (kind == "h") {
            reply.held.push_back(k);
        } else if (kind == "s") {
            reply.skipped.push_back(k);
        } else {
            reply.keys.push_back({k, kind == "r", id_of(row[2]), ids_of(row[3]), kind == "a"});
        }
    }
    return reply;
}

constexpr statement stored_of_statement{"stored_of", R"sql(
    select e.execution_id from unnest($1::uuid[]) u (id) cross join lateral (select e.execution_id from executions e where e.execution_id = u.id) e)sql"};

std::vector<execution_id> stored_of(session& s, array& ids)
{
    std::vector<execution_id> stored;
    for (const auto& row : s.exec(stored_of_statement, ids.parameter())) stored.push_back(id_of(row[0]));
    return stored;
}

constexpr statement read_key_statement{"read_key", R"sql(
    select hash = jsonb_hash_extended($3::jsonb, 0) and hash2 = jsonb_hash_extended($3::jsonb, 1), execution_id, execution_ids::text
    from idempotency_keys where tenant_key = $1 and key = $2 and expires_at > clock())sql"};

std::optional<submit_reply::key_in_use> read_key(session& s, tenant_key tenant, const std::string& key, const std::string& request)
{
    const auto rows = s.exec(read_key_statement, tenant.value, key, request);
    if (rows.empty()) return std::nullopt;
    return submit_reply::key_in_use{0, rows[0][0].as<bool>(), id_of(rows[0][1]), ids_of(rows[0][2])};
}

constexpr statement keys_in_use_statement{"keys_in_use", R"sql(
    select u.k - 1 from unnest($1::int[], $2::text[]) with ordinality u (tenant, key, k)
    cross join lateral (select from idempotency_keys i where i.tenant_key = u.tenant and i.key = u.key and i.expires_at > clock() limit 1) i)sql"};

std::vector<std::size_t> keys_in_use(session& s, array& tenants, array& keys)
{
    std::vector<std::size_t> used;
    for (const auto& row : s.exec(keys_in_use_statement, tenants.parameter(), keys.parameter())) used.push_back(row[0].as<std::size_t>());
    return used;
}

constexpr statement read_fingerprint_statement{"read_fingerprint", R"sql(
    select execution_id from idempotency_keys where tenant_key = $1 and key = fingerprint_key($2, $3, $4::json) and not run_is_over(execution_id))sql"};

std::optional<submit_reply::key_in_use> read_fingerprint(session& s, tenant_key tenant, job_key job, int version, const std::string& parameters)
{
    const auto rows = s.exec(read_fingerprint_statement, tenant.value, job.value, version, parameters);
    if (rows.empty()) return std::nullopt;
    return submit_reply::key_in_use{0, true, id_of(rows[0][0]), {}};
}

constexpr statement owned_of_statement{"owned_of", "select s.lo from unnest($2::uuid[]) u (lo) join extents s on s.lo = u.lo where s.owner is not distinct from $1"};

std::vector<execution_id> owned_of(session& s, instance_id owner, array& lo)
{
    std::vector<execution_id> owned;
    for (const auto& row : s.exec(owned_of_statement, owner.value, lo.parameter())) owned.push_back(id_of(row[0]));
    return owned;
}

constexpr statement replayed_statement{"replayed", R"sql(
    select v.execution_id, v.run_id, v.job_id, v.job_version, v.status
    from unnest($1::uuid[]) with ordinality u (id, k) cross join lateral (select * from v_executions v where v.execution_id = u.id limit 1) v order by u.k)sql"};

std::vector<replayed_execution> read_replayed(session& s, array& ids)
{
    std::vector<replayed_execution> found;
    for (const auto& row : s.exec(replayed_statement, ids.parameter())) {
        found.push_back({id_of(row[0]), id_of(row[1]), row[2].c_str(), row[3].as<int>(), *parse_execution_status(row[4].c_str())});
    }
    return found;
}

namespace {

// {12,13}
std::vector<limit_id> kept_of(const pqxx::field& field)
{
    std::vector<limit_id> kept;
    for (const auto id : numbers_of(field)) kept.push_back({static_cast<std::int32_t>(id)});
    return kept;
}

claimed_extent claimed(const pqxx::row& row)
{
    return {id_of(row[0]), id_of(row[1]), {row[2].as<int>()}, {row[3].as<int>()}, row[4].as<int>(), time_of(row[5]), kept_of(row[6])};
}

// An offer as claim_1 takes it, and what it answers to it.
struct offer_columns {
    slot_offer* offer;
    array limits{array::element::int4};
    array ns{array::element::int8};

    explicit offer_columns(slot_offer* from) : offer(from)
    {
        if (!offer) return;
        for (const auto& each : offer->free) {
            limits.add(each.limit.value);
            ns.add(each.n);
        }
    }
    int epoch() const { return offer ? offer->epoch : 0; }
    std::optional<int> least() const { return offer ? std::optional(offer->least) : std::nullopt; }
    void answered(const pqxx::row& row) { offer->kept.push_back({kept_of(row[6]).at(0), row[4].as<std::int64_t>()}); }
};

}

constexpr statement claim_statement{"claim", "select lo, hi, lane_id, fence, remaining, claimed_at, kept_ids, rank, next_after, look_us, start_us, tenant_key from claim_next_1($1, $2, $3, $4, $5, $6, $7::int[], $8::bigint[], $9)"};

claim_answer claim_next(session& s, instance_id owner, lane_id after_lane, int lanes, int budget, bool fair, slot_offer* offer)
{
    offer_columns kept(offer);
    return with_lease([&] {
        claim_answer answer;
        for (const auto& row : s.exec(claim_statement, owner.value, after_lane.value, lanes, budget, fair, kept.least(), kept.limits.parameter(), kept.ns.parameter(), kept.epoch())) {
            answer.next_after = {row[8].as<int>()};
            answer.looked = std::chrono::microseconds{row[9].as<int>()};
            if (row[0].is_null() && row[2].is_null()) {
                kept.answered(row);
            } else if (row[0].is_null()) {
                answer.lanes.push_back({{row[2].as<int>()}, time_of(row[7]), {row[11].as<int>()}});
                if (!row[10].is_null()) answer.next_start_in = std::chrono::microseconds{row[10].as<std::int64_t>()};
            } else {
                answer.extents.push_back(claimed(row));
            }
        }
        return answer;
    });
}

constexpr statement claim_from_statement{"claim_from", "select lo, hi, lane_id, fence, remaining, claimed_at, kept_ids from claim_1($1, $2::int[], $3::timestamptz[], $4, null, null, $5, $6::int[], $7::bigint[], $8)"};

std::vector<claimed_extent> claim_from(session& s, instance_id owner, const std::vector<seen_lane>& lanes, int budget, slot_offer* offer)
{
    offer_columns kept(offer);
    array ids(array::element::int4);
    array heads(array::element::timestamptz);
    for (const auto& each : lanes) {
        ids.add(each.lane.value);
        heads.add(std::optional(each.head));
    }
    return with_lease([&] {
        std::vector<claimed_extent> extents;
        for (const auto& row : s.exec(claim_from_statement, owner.value, ids.parameter(), heads.parameter(), budget, kept.least(), kept.limits.parameter(), kept.ns.parameter(), kept.epoch())) {
            if (row[0].is_null()) kept.answered(row);
            else extents.push_back(claimed(row));
        }
        return extents;
    });
}

constexpr statement see_lanes_statement{"see_lanes", R"sql(
    select lanes, tenants, weights, ranks, waiting, opens, on_sight, claimed_lanes, los, his, fences, counts, claimed_at, began_after, next_after, look_us, start_us
    from see_lanes_1($1, $2, $3, $4, $5::int[], $6, $7))sql"};

lanes_answer see_lanes(session& s, instance_id owner, lane_span span, int lanes, slot_offer* offer, int budget)
{
    const auto number = [](const std::optional<lane_id>& lane) { return lane ? std::optional(lane->value) : std::nullopt; };
    const auto small = [](std::int64_t n) { return static_cast<std::int32_t>(n); };
    const auto at = [](std::int64_t micros) { return timestamp{std::chrono::microseconds{micros}}; };
    offer_columns kept(offer);
    return with_lease([&] {
        lanes_answer answer;
        const auto row = s.exec(see_lanes_statement, owner.value, number(span.after), number(span.until), lanes, kept.limits.parameter(), budget, kept.epoch()).at(0);
        answer.on_sight = row[6].as<bool>();
        if (!span.after) span.began = {row[13].as<int>()};
        const lane_id next{row[14].as<int>()};
        if (next.value != 0) answer.next = {next, span.until, span.began};
        else if (!span.until && span.began.value != 0) answer.next = {lane_id{}, span.began, span.began};
        answer.looked = std::chrono::microseconds{row[15].as<int>()};
        if (!row[16].is_null()) answer.next_start_in = std::chrono::microseconds{row[16].as<std::int64_t>()};

        const auto ids = numbers_of(row[0]), tenants = numbers_of(row[1]), weights = numbers_of(row[2]), ranks = numbers_of(row[3]), waiting = numbers_of(row[4]);
        const auto opens = truths_of(row[5]);
        answer.lanes.reserve(ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) {
            answer.lanes.push_back({{small(ids[i])}, {small(tenants.at(i))}, weights.empty() ? 1 : small(weights.at(i)), ranks.empty() ? timestamp{} : at(ranks.at(i)), small(waiting.at(i)),
                                    opens.empty() || opens.at(i)});
        }
        const auto claimed = numbers_of(row[7]), fences = numbers_of(row[10]), counts = numbers_of(row[11]), claimed_at = numbers_of(row[12]);
        const auto los = ids_of(row[8]), his = ids_of(row[9]);
        answer.extents.reserve(claimed.size());
        for (std::size_t i = 0; i < claimed.size(); ++i) {
            answer.extents.push_back({los.at(i), his.at(i), {small(claimed[i])}, {small(fences.at(i))}, small(counts.at(i)), at(claimed_at.at(i))});
        }
        return answer;
    });
}

constexpr statement claim_shares_statement{"claim_shares", "select lo, hi, lane_id, fence, remaining, claimed_at, kept_ids from claim_1($1, $2::int[], $3::timestamptz[], $4, $5::int[], $6::int[], $7, $8::int[], $9::bigint[], $10, $11::int[])"};

std::vector<claimed_extent> claim_shares(session& s, instance_id owner, const std::vector<claim_share>& shares, int budget, slot_offer* offer)
{
    offer_columns kept(offer);
    array ids(array::element::int4);
    array heads(array::element::timestamptz);
    array groups(array::element::int4);
    array most(array::element::int4);
    array depths(array::element::int4);
    for (std::size_t k = 0; k < shares.size(); ++k) {
        most.add(shares[k].most);
        depths.add(shares[k].extents);
        for (const auto& [lane, head] : shares[k].lanes) {
            ids.add(lane.value);
            heads.add(head);
            groups.add(static_cast<std::int32_t>(k) + 1);
        }
    }
    return with_lease([&] {
        std::vector<claimed_extent> extents;
        for (const auto& row : s.exec(claim_shares_statement, owner.value, ids.parameter(), heads.parameter(), budget, groups.parameter(), most.parameter(), kept.least(), kept.limits.parameter(), kept.ns.parameter(), kept.epoch(), depths.parameter())) {
            if (row[0].is_null()) kept.answered(row);
            else extents.push_back(claimed(row));
        }
        return extents;
    });
}

// A statement of its own: a large answer to a slow reader then holds no lock.
constexpr statement read_executions_statement{"read_executions", R"sql(
    select e.execution_id, e.run_id, e.job_key, e.job_version, e.attempt_number, e.lost_count, e.priority, e.parameters, e.correlation_id, e.trace_parent,
           e.plan_run_id is not null,
           -- A next attempt has a time of its own, which is no matter of the job.
           case when e.trigger_type = 5 then (select f.scheduled_time from executions f where f.execution_id = e.run_id) else e.scheduled_time end,
           case when e.plan_run_id is not null then
               (select format('The budget of the policy %s is used up: the plan has used %s.', o.policy_id, o.used)
                from plan_overdrafts o join policies p on p.owner_key = o.owner_key and p.policy_id = o.policy_id and p.version = o.version and p.enabled
                where o.plan_run_id = e.plan_run_id and o.blocks limit 1) end
    from (select e.* from executions e where e.execution_id = any ($1::uuid[]) and e.execution_id between $2 and $3
          union all
          select e.* from unnest($4::uuid[], $5::uuid[]) u (lo, hi) cross join lateral (select * from executions e where e.execution_id between u.lo and u.hi) e) e)sql"};

// Single executions are looked up together, in every partition between the first and the last of them: so these have to be made within a day, the latest.
constexpr std::uint64_t looked_up_together = 24 * 3600 * 1000;

std::vector<claimed_execution> read_executions(session& s, const std::vector<claimed_extent>& extents)
{
    if (extents.empty()) return {};
    std::vector<std::pair<execution_id, int>> in_order;
    std::size_t n = 0;
    for (const auto& x : extents) {
        in_order.emplace_back(x.lo, static_cast<int>(in_order.size()));
        n += static_cast<std::size_t>(x.remaining);
    }
    std::sort(in_order.begin(), in_order.end());
    array single(array::element::uuid);
    array lo(array::element::uuid);
    array hi(array::element::uuid);
    const execution_id last = in_order.back().first;
    execution_id first = last;
    for (const auto& [id, k] : in_order) {
        const auto& x = extents[static_cast<std::size_t>(k)];
        if (x.lo == x.hi && last.milliseconds() - x.lo.milliseconds() < looked_up_together) {
            single.add(x.lo);
            first = std::min(first, x.lo);
        } else {
            lo.add(x.lo);
            hi.add(x.hi);
        }
    }
    std::vector<claimed_execution> read;
    read.reserve(n);
    for (const auto& row : s.exec(read_executions_statement, single.parameter(), first.str(), last.str(), lo.parameter(), hi.parameter())) {
        const execution_id id = id_of(row[0]);
        const auto extent = std::prev(std::upper_bound(in_order.begin(), in_order.end(), id, [](const execution_id& one, const auto& other) { return one < other.first; }))->second;
        read.push_back({extent, id, id_of(row[1]), {row[2].as<int>()}, row[3].as<int>(), row[4].as<int>(), row[5].as<int>(),
                        row[6].as<int>(), row[7].is_null() ? "{}" : row[7].c_str(), row[8].c_str(), row[9].c_str(), row[10].as<bool>(), row[11].is_null() ? std::nullopt : std::optional(time_of(row[11])),
                        row[12].c_str()});
    }
    return read;
}

void settle_batch::clear()
{
    for (array* a : {&lo, &fence, &id, &extent, &status, &age_us, &exit_code, &error_code, &error_message, &records_processed, &records_failed, &metrics,
                     &outputs, &termination, &actor, &next, &next_ms, &clean, &watched, &failed_at, &category, &details, &kept, &next_wait_ms, &planned}) {
        a->clear();
    }
}

constexpr statement settle_statement{"settle", R"sql(
    select settle_1 from settle_1($1, $2, $3, $4::uuid[], $5::int[],
        $6::uuid[], $7::int[], $8::int2[], $9::int[], $10::int[], $11::text[], $12::text[], $13::int8[], $14::int8[], $15::json[], $16::json[], $17::text[],
        $18::text[], $19::uuid[], $20::int[], $21::uuid[], $22::int[], $23::int[], $24::int2[], $25::text[], $26::int8[], $27::int8[], $28::int[]))sql"};

// What settle_1 gives where it gave slots back.
constexpr std::string_view nothing_but_slots = "00000000-0000-0000-0000-000000000000";

settle_answer settle(session& s, instance_id owner, std::chrono::milliseconds priority_age, bool again, settle_batch& b)
{
    const auto rows = s.exec(settle_statement, owner.value, as_age(priority_age), again, b.lo.parameter(), b.fence.parameter(), b.id.parameter(),
                             b.extent.parameter(), b.status.parameter(), b.age_us.parameter(), b.exit_code.column(), b.error_code.column(),
                             b.error_message.column(), b.records_processed.column(), b.records_failed.column(),
                             b.metrics.column(), b.outputs.column(), b.termination.column(), b.actor.column(),
                             b.next.column(), b.next_ms.column(), b.clean.parameter(), b.watched.parameter(), b.failed_at.parameter(),
                             b.category.parameter(), b.details.parameter(), b.kept.parameter(), b.next_wait_ms.column(), b.planned.parameter());
    settle_answer answer;
    for (const auto& row : rows) {
        if (row[0].is_null()) answer.work_follows = true;
        else if (row[0].c_str() == nothing_but_slots) answer.slots_returned = true;
        else answer.lost.push_back(id_of(row[0]));
    }
    return answer;
}

constexpr statement settled_by_statement{"settled_by", R"sql(
    select u.id from unnest($2::uuid[], $3::int[]) u (id, fence)
    cross join lateral (select r.instance_id, r.fence from results r where r.execution_id = u.id) r where r.instance_id = $1 and r.fence = u.fence)sql"};

std::vector<execution_id> settled_by(session& s, instance_id owner, array& ids, array& fences)
{
    std::vector<execution_id> settled;
    for (const auto& row : s.exec(settled_by_statement, owner.value, ids.parameter(), fences.parameter())) settled.push_back(id_of(row[0]));
    return settled;
}

constexpr statement hand_back_statement{"hand_back", "select hand_back_1($1, $2::uuid[], $3::int[], $4)"};

int hand_back(session& s, instance_id owner, array& lo, array& fences, const std::string& reason)
{
    return s.exec(hand_back_statement, owner.value, lo.parameter(), fences.parameter(), reason)[0][0].as<int>();
}

// Read after every broken connection: a claim whose answer was lost has left extents that their owner does not know of.
constexpr statement owned_extents_statement{"owned_extents", "select lo, hi, fence, remaining from extents where owner = $1 order by lo"};

std::vector<owned_extent> owned_extents(session& s, instance_id owner)
{
    std::vector<owned_extent> owned;
    for (const auto& row : s.exec(owned_extents_statement, owner.value)) {
        owned.push_back({id_of(row[0]), id_of(row[1]), {row[2].as<int>()}, row[3].as<int>()});
    }
    return owned;
}

constexpr statement ended_of_statement{"ended_of", R"sql(
    select u.id from unnest($1::uuid[]) u (id) cross join lateral (select e.run_id from executions e where e.execution_id = u.id) e
    cross join lateral (select a.execution_id from attempts_of(e.run_id) a order by a.attempt_number desc limit 1) last
    cross join lateral (select 1 from results r where r.execution_id = last.execution_id) ended)sql"};

std::vector<execution_id> ended_of(session& s, const std::vector<execution_id>& ids)
{
    array asked(array::element::uuid);
    for (const auto& id : ids) asked.add(id);
    std::vector<execution_id> ended;
    for (const auto& row : s.exec(ended_of_statement, asked.parameter())) ended.push_back(id_of(row[0]));
    return ended;
}

constexpr statement cancel_statement{"cancel", "select status, owner from cancel_1($1, array[$2::uuid], $3, $4, $5)"};

cancel_answer cancel(session& s, tenant_key tenant, execution_id id, const std::string& actor, const std::string& reason, cancel_cascade cascade)
{
    const auto rows = s.exec(cancel_statement, tenant.value, id.str(), actor, reason, static_cast<int>(cascade));
    if (rows.empty()) return {};
    return {true, !rows[0][0].is_null(), {rows[0][1].is_null() ? 0 : rows[0][1].as<int>()}};
}

constexpr statement cancel_requests_statement{"cancel_requests", "select execution_id, actor, reason from cancel_requests where owner = $1 limit 10000"};

std::vector<cancel_request> cancel_requests(session& s, instance_id owner)
{
    std::vector<cancel_request> requests;
    for (const auto& row : s.exec(cancel_requests_statement, owner.value)) requests.push_back({id_of(row[0]), row[1].c_str(), row[2].c_str()});
    return requests;
}

constexpr statement join_statement{"join_cluster", "select join_cluster_1($1::int8 * interval '1 millisecond', $2, $3, $4, $5, $6, $7::jsonb, $8::jsonb, $9::jsonb, $10)"};

instance_id join_cluster(session& s, const instance_row& row)
{
    boost::json::object labels;
    for (const auto& [name, value] : row.labels) labels[name] = value;
    boost::json::object by_handler;
    for (const auto& [type, most] : row.by_handler) by_handler[type] = most;
    boost::json::object capacity;
    for (std::size_t i = 0; i < resource_amounts::names.size(); ++i) {
        if (const auto& amount = row.capacity.amounts[i]) capacity[resource_amounts::names[i]] = *amount;
    }
    return {s.exec(join_statement, row.lease.count(), row.hostname, row.pid, row.version, row.address, row.parallelism, boost::json::serialize(labels),
                   boost::json::serialize(by_handler), boost::json::serialize(capacity), row.was.value)[0][0].as<int>()};
}

// One row renews everything that the instance owns.
constexpr statement renew_statement{"renew_lease", R"sql(
    update instances set lease_until = clock() + $2::int8 * interval '1 millisecond' where instance_id = $1 and state = 'ALIVE' returning 1)sql"};

bool renew_lease(session& s, instance_id id, std::chrono::milliseconds lease)
{
    return !s.exec(renew_statement, id.value, lease.count()).empty();
}

constexpr statement leave_statement{"leave_cluster", "select leave_cluster_1($1)"};

bool leave_cluster(session& s, instance_id id)
{
    return s.exec(leave_statement, id.value)[0][0].as<bool>();
}

// Claims and submissions hold KEY SHARE on the instance's row until they are committed.
constexpr statement await_statements_statement{"await_statements", "select 1 from instances where instance_id = $1 for update"};

void await_statements_of(session& s, instance_id id)
{
    s.exec(await_statements_statement, id.value);
}

constexpr statement declare_dead_statement{"declare_dead", "select declare_dead_1($1, $2)"};

int declare_dead(session& s, instance_id self, bool sole)
{
    return s.exec(declare_dead_statement, self.value, sole)[0][0].as<int>();
}

constexpr statement takeover_statement{"takeover", "select takeover_1($1, $2, $3::int8 * interval '1 millisecond', $4)"};

int takeover(session& s, instance_id self, std::chrono::milliseconds priority_age, int budget, std::chrono::milliseconds kept)
{
    return s.exec(takeover_statement, self.value, as_age(priority_age), kept.count(), budget)[0][0].as<int>();
}

constexpr statement expire_statement{"expire", "select expire_1($1::int8 * interval '1 millisecond', $2)"};

std::vector<execution_id> expire(session& s, std::chrono::milliseconds kept, int budget)
{
    std::vector<execution_id> runs;
    for (const auto& row : s.exec(expire_statement, kept.count(), budget)) runs.push_back(id_of(row[0]));
    return runs;
}

constexpr statement tick_statement{"tick", R"sql(
    select now, extract(epoch from next_eligible - now) * 1000000, queued, changes, cancels, dead, expired, plans, extract(epoch from next_start - now) * 1000000,
           draining, uneven
    from tick_1($1, $2 and clock() < coalesce(nullif($3, '')::timestamptz, 'infinity'), $4))sql"};

tick_answer tick(session& s, instance_id self, bool may_declare_dead, std::optional<timestamp> declare_until, bool look)
{
    const auto rows = s.exec(tick_statement, self.value, may_declare_dead, declare_until ? to_rfc3339(*declare_until) : std::string(), look);
    const auto row = rows[0];
    tick_answer answer;
    answer.now = time_of(row[0]);
    if (!row[1].is_null()) answer.next_eligible_in = std::chrono::microseconds{static_cast<std::int64_t>(row[1].as<double>())};
    answer.queued = row[2].as<bool>();
    answer.changes = row[3].as<std::int64_t>();
    answer.cancels = row[4].as<int>();
    answer.dead = row[5].as<int>();
    answer.expired = row[6].as<bool>();
    answer.plans = row[7].as<bool>();
    if (!row[8].is_null()) answer.next_start_in = std::chrono::microseconds{static_cast<std::int64_t>(row[8].as<double>())};
    answer.draining = row[9].as<bool>();
    answer.uneven = row[10].as<bool>();
    return answer;
}

constexpr statement changed_jobs_statement{"changed_jobs", "select job_key from jobs where changed_seq > $1"};

std::vector<job_key> changed_jobs(session& s, std::int64_t since)
{
    std::vector<job_key> changed;
    for (const auto& row : s.exec(changed_jobs_statement, since)) changed.push_back({row[0].as<int>()});
    return changed;
}

constexpr statement sweep_statement{"sweep", "select sweep_1($1)"};

int sweep(session& s, int rows)
{
    return s.exec(sweep_statement, rows)[0][0].as<int>();
}

constexpr statement make_partitions_statement{"make_partitions", "select make_partitions($1)"};

int make_partitions(session& s, int days_ahead)
{
    return s.exec(make_partitions_statement, days_ahead)[0][0].as<int>();
}

constexpr statement notify_statement{"notify", "select pg_notify($1, $2)"};

void notify(session& s, const std::string& channel, const std::string& payload)
{
    s.exec(notify_statement, channel, payload);
}

}
