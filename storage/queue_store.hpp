#pragma once

#include "storage/array.hpp"
#include "storage/kept_slot_store.hpp"
#include "storage/model/execution.hpp"
#include "storage/model/limit.hpp"
#include "storage/session.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rowlock::storage {

// The statements of the queue, one function each. Every one is a single statement and so a single transaction. Their meaning, and
// the rules that keep them right together, stand in the migrations 0001 and 0004 to 0006.

// ---- submission

// The columns of one group commit. Kept and cleared from batch to batch.
struct submit_batch {
    using e = array::element;
    // by execution
    array id{e::uuid}, extent{e::int4}, unit{e::int4}, parameters{e::json}, correlation{e::text}, tags{e::json}, trace{e::text}, replay_of{e::uuid};
    // by extent
    array lo{e::uuid}, hi{e::uuid}, n{e::int4}, tenant{e::int4}, lane{e::int4}, job{e::int4}, version{e::int4}, priority{e::int2}, trigger{e::int2},
        eligible{e::timestamptz}, submitter{e::text}, wait_ms{e::int8}, from{e::timestamptz}, hold{e::int2};
    // by key; that of an execution's fingerprint is " ", and its request the parameters
    array key_tenant{e::int4}, key{e::text}, key_request{e::text}, key_unit{e::int4}, key_execution{e::uuid}, key_executions{e::text}, key_job{e::int4},
        key_version{e::int4};

    void clear();
};

struct submit_reply {
    std::vector<int> owned;              // numbers (from 1) of the extents that the submitter now owns, under fence 1
    std::vector<int> held;               // those that wait for more than a slot
    std::vector<int> skipped;            // those that have ended SKIPPED, outside their windows
    struct key_in_use {
        int key;                         // number (from 1)
        bool same_request;
        execution_id execution;
        std::vector<execution_id> executions;   // of a whole batch; else empty
        bool come_again = false;             // what it would be answered with was refused in the same commit
    };
    std::vector<key_in_use> keys;
};

// What may be refused.
struct admission {
    bool judged = true;                  // what goes beyond limits that reject has been left out; else one that has no room for all of it refuses the whole
    std::int64_t queue_capacity = 0;     // so many may be queued, in the whole database; 0: as many as like
};

// `owner`: 0 = start nothing. `slots`: how many executions the owner could start. Throws limits_reached_error (limit_store.hpp): nothing was stored.
submit_reply submit(session& s, instance_id owner, int slots, std::chrono::milliseconds priority_age, std::chrono::milliseconds key_ttl, submit_batch& batch, admission may = {});

// After a commit in doubt: which of these executions are there?
std::vector<execution_id> stored_of(session& s, array& ids);
// What a key names, if it is in use. `key` of the answer is not set.
std::optional<submit_reply::key_in_use> read_key(session& s, tenant_key tenant, const std::string& key, const std::string& request);
// Which of these keys are in use, whatever for? (their numbers, from 0)
std::vector<std::size_t> keys_in_use(session& s, array& tenants, array& keys);
// Which unfinished run has this fingerprint, if one has?
std::optional<submit_reply::key_in_use> read_fingerprint(session& s, tenant_key tenant, job_key job, int version, const std::string& parameters);
// Of these extents, which does the instance own? (lo)
std::vector<execution_id> owned_of(session& s, instance_id owner, array& lo);

// The ids that a replayed key names, in their order, as they are now: job_id, version, status.
struct replayed_execution {
    execution_id id;
    execution_id run_id;
    std::string job_id;
    int job_version;
    execution_status status;
};
std::vector<replayed_execution> read_replayed(session& s, array& ids);

// ---- claiming

struct claimed_extent {
    execution_id lo;
    execution_id hi;
    lane_id lane;
    rowlock::fence fence;
    int remaining;
    timestamp claimed_at;
    std::vector<limit_id> kept{};        // each of its executions uses one slot of these that the owner keeps
};
struct seen_lane {
    lane_id lane;
    timestamp head;                      // the best rank that waits in it
    tenant_key tenant{};
};
struct claim_answer {
    std::vector<claimed_extent> extents;
    std::vector<seen_lane> lanes;        // that had something to claim, before this claim; of several tenants: nothing was claimed, if that was asked for
    lane_id next_after{};                // the next look goes on after this lane; 0: all were seen
    std::chrono::microseconds looked{0}; // what it took the database to find these lanes
    std::optional<std::chrono::microseconds> next_start_in{};    // until a rate that is used up lets something start again
};
// Looks at the lanes after `after_lane`, at most `lanes` of them, and claims at most `budget` executions. fair: nothing, where they are of several tenants. offer:
// of the slots that the owner keeps; nullptr: it keeps none. Throws
// lease_lost_error.
claim_answer claim_next(session& s, instance_id owner, lane_id after_lane, int lanes, int budget, bool fair = false, slot_offer* offer = nullptr);
// Claims from these lanes, looking in each from `head` on alone. Throws lease_lost_error.
std::vector<claimed_extent> claim_from(session& s, instance_id owner, const std::vector<seen_lane>& lanes, int budget, slot_offer* offer = nullptr);

// A lane in which something waits.
struct waiting_lane {
    lane_id lane;
    tenant_key tenant;                   // whose it is; of a lane that is not open, nobody
    int weight;                          // of the tenant
    timestamp head;                      // the best rank that waits in it
    int waiting;                         // executions of the extent at its front
    bool open = true;                    // it may start now
};
// Which lanes to look at: those after `after`, up to `until`.
struct lane_span {
    std::optional<lane_id> after{};      // nullopt: from the instance's own place on, as far as can be from those of the others
    std::optional<lane_id> until{};      // nullopt: to the end
    lane_id began{};                     // after which lane the round of looks began that this is part of
};
struct lanes_answer {
    std::vector<waiting_lane> lanes;
    bool on_sight = false;               // what waited in the open lanes was claimed, but for what others had locked; these may have no head
    std::vector<claimed_extent> extents; // that were claimed so
    std::optional<lane_span> next{};     // where the round goes on: to the end, and then from the front to where it began; nullopt: all lanes were seen
    std::chrono::microseconds looked{0}; // as in claim_answer, and so is this
    std::optional<std::chrono::microseconds> next_start_in{};
};
// Looks at the first `lanes` lanes with work of the span, for this instance; and claims all that waits in them, where that is no more than `budget` executions and
// nothing has to be shared out or asked for. Throws lease_lost_error, with a budget.
lanes_answer see_lanes(session& s, instance_id owner, lane_span span, int lanes, slot_offer* offer = nullptr, int budget = 0);
// A tenant's lanes, with the rank from which on is looked in each (nullopt: from the front), and how much he may get.
struct claim_share {
    std::vector<std::pair<lane_id, std::optional<timestamp>>> lanes;
    int most;
    std::optional<int> extents{};        // of each lane, the best; nullopt: as many as make up the best of what he may get
};
// Claims from these lanes, tenant by tenant, until the budget is used up. Throws lease_lost_error.
std::vector<claimed_extent> claim_shares(session& s, instance_id owner, const std::vector<claim_share>& shares, int budget, slot_offer* offer = nullptr);

struct claimed_execution {
    int extent;                          // index into what was claimed
    execution_id id;
    execution_id run_id;
    job_key job;
    int job_version;
    int attempt_number;
    int lost_count;
    int priority;
    std::string parameters;
    std::string correlation_id;
    std::string trace_parent;
    bool in_plan = false;
    std::optional<timestamp> scheduled_time{};       // of its run: the tick that made it, or what its submitter asked for
    std::string refusal{};                           // why it may not start; empty: it may
};
std::vector<claimed_execution> read_executions(session& s, const std::vector<claimed_extent>& extents);

// ---- ends

struct settle_batch {
    using e = array::element;
    array lo{e::uuid}, fence{e::int4};
    // Both empty: execution i is all that extent i ever had (settle_1).
    array id{e::uuid}, extent{e::int4};
    array status{e::int2}, age_us{e::int4}, exit_code{e::int4}, error_code{e::text}, error_message{e::text},
        records_processed{e::int8}, records_failed{e::int8}, metrics{e::json}, outputs{e::json}, termination{e::text}, actor{e::text};
    array clean{e::uuid};
    array watched{e::int4};
    // Of what has failed, and of nothing else: its number, and what becomes of it.
    array failed_at{e::int4}, category{e::int2}, details{e::text}, kept{e::int8}, next{e::uuid}, next_ms{e::int4}, next_wait_ms{e::int8};
    array planned{e::int4};

    void clear();
};
struct settle_answer {
    std::vector<execution_id> lost;      // extents
    bool work_follows = false;           // other work may be eligible by these ends, or is left to plan_step
    bool slots_returned = false;         // slots of limits are free again
};
// `again`: this batch may have been committed before.
settle_answer settle(session& s, instance_id owner, std::chrono::milliseconds priority_age, bool again, settle_batch& batch);

// After a settle in doubt: which of these executions did the instance end, under these fences?
std::vector<execution_id> settled_by(session& s, instance_id owner, array& ids, array& fences);

int hand_back(session& s, instance_id owner, array& lo, array& fences, const std::string& reason);

struct owned_extent {
    execution_id lo;
    execution_id hi;
    rowlock::fence fence;
    int remaining;
};
std::vector<owned_extent> owned_extents(session& s, instance_id owner);

// Which of these executions belong to a run that has ended?
std::vector<execution_id> ended_of(session& s, const std::vector<execution_id>& ids);

// ---- cancelling

struct cancel_answer {
    bool found = false;                  // it was live, and the tenant's
    bool ended = false;                  // it has ended CANCELLED by this
    instance_id owner{};                 // who has been asked, where it runs
};
// What of a plan is cancelled with an execution of it: of what waits for it nothing, what needs it, or all below it. The codes are those of cancel_1.
using rowlock::cancel_cascade;
cancel_answer cancel(session& s, tenant_key tenant, execution_id id, const std::string& actor, const std::string& reason,
                     cancel_cascade cascade = cancel_cascade::none);
struct cancel_request {
    execution_id id;
    std::string actor;
    std::string reason;
};
std::vector<cancel_request> cancel_requests(session& s, instance_id owner);

// ---- the life of an instance

// The instance has been declared dead, or its lease has run out: it owns nothing, and must join anew.
class lease_lost_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct instance_row {
    std::chrono::milliseconds lease{30'000};
    std::string hostname;
    int pid = 0;
    std::string version;
    std::string address;
    int parallelism = 0;
    std::map<std::string, std::string> labels{};     // what placements ask for
    std::map<std::string, int> by_handler{};         // of these types of handlers at most so many run here at a time
    resource_amounts capacity{};                     // none: as much as is asked for
    instance_id was{};                               // the incarnation of this process before, which has been declared dead
};
instance_id join_cluster(session& s, const instance_row& row);
bool renew_lease(session& s, instance_id id, std::chrono::milliseconds lease);      // false: it has been declared dead
bool leave_cluster(session& s, instance_id id);                                 // false: it still owns something
// Returns when no statement is under way in the server that hands something to this instance, though its caller may have given it up.
void await_statements_of(session& s, instance_id id);
int declare_dead(session& s, instance_id self, bool sole);
// `kept`: how long a dead letter is kept where its job does not say.
inline constexpr std::chrono::milliseconds dead_letters_kept = std::chrono::hours{168};
int takeover(session& s, instance_id self, std::chrono::milliseconds priority_age, int budget, std::chrono::milliseconds kept = dead_letters_kept);
// Ends what has waited longer than it may, at most `budget` executions. Returns the runs that ended by it.
std::vector<execution_id> expire(session& s, std::chrono::milliseconds kept, int budget);

struct tick_answer {
    timestamp now{};
    std::optional<std::chrono::microseconds> next_eligible_in{};
    bool queued = false;
    bool expired = false;
    std::int64_t changes = 0;
    int cancels = 0;
    int dead = 0;
    bool plans = false;                  // something is left to do for plans
    std::optional<std::chrono::microseconds> next_start_in{};    // until a rate that is used up lets something start again
    bool draining = false;               // this instance has been asked to take no more work
    bool uneven = false;                 // instances differ in what they may start
};
// `declare_until`: by the database's clock; what arrives later, because something stood still on the way, declares nobody dead.
// look: whether to find out if anything is queued.
tick_answer tick(session& s, instance_id self, bool may_declare_dead, std::optional<timestamp> declare_until = {}, bool look = true);
// The jobs that have changed since.
std::vector<job_key> changed_jobs(session& s, std::int64_t since);
int sweep(session& s, int rows);
int make_partitions(session& s, int days_ahead);

// NOTIFY on the channel of all instances. Never within another transaction.
void notify(session& s, const std::string& channel, const std::string& payload);

}
