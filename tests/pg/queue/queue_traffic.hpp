#pragma once

#include "tests/pg/queue/queue_database.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::test {

inline constexpr std::chrono::milliseconds priority_age{1000};

// A new block of ids, as an instance would make it.
execution_id first_of_new_block();

// The columns of one group commit, put together by hand.
class submission {
public:
    struct like {
        int priority = 0;
        std::optional<timestamp> eligible{};
        int unit = 0;                                // which client sent it; counts where there are keys
        std::string_view correlation{};
        std::string_view submitter{};
        std::string_view parameters = R"({"n": 1})";
    };
    explicit submission(const execution_id& first = first_of_new_block()) : next_(first) {}

    // One extent of n executions that are admitted alike.
    submission& extent(const queue_job& job, int n = 1) { return extent(job, n, like{}); }
    submission& extent(const queue_job& job, int n, like as);
    // The last execution that was added carries a key.
    submission& key(tenant_key tenant, std::string_view key, std::string_view request, int unit);
    // All executions so far are one batch under one key.
    submission& batch_key(tenant_key tenant, std::string_view key, std::string_view request, int unit);

    // The last execution's job has `dedupe`, and these are its parameters.
    submission& fingerprint(const queue_job& job, std::string_view parameters, int unit);
    // How long the last extent's executions may wait.
    submission& wait(std::chrono::milliseconds longest);
    // What the last extent may have to wait for, as submit_1 says: 1 for other jobs, 2 for its turn.
    submission& hold(int what);

    storage::submit_reply commit(storage::session& s, instance_id owner = {}, int slots = 0, std::chrono::milliseconds key_ttl = std::chrono::hours{1});

    const std::vector<execution_id>& ids() const { return ids_; }
    const execution_id& id(std::size_t n = 0) const { return ids_.at(n); }

private:
    execution_id next_;
    std::vector<execution_id> ids_;
    storage::submit_batch columns_;
};

// The columns of one group commit of ends.
class ends {
public:
    ends() = default;
    explicit ends(const storage::claimed_extent& of) { from(of.lo, of.fence); }

    // The extent that the ends which follow lie in.
    ends& from(const execution_id& lo, fence f);
    ends& end(const execution_id& id, execution_status status = execution_status::completed);
    // The last one failed, and is tried again after the delay. Its dead letter, if it is not, is kept so long (nullopt: it gets none).
    ends& retried(const execution_id& next, std::chrono::milliseconds delay = {}, std::optional<std::chrono::milliseconds> kept = {}, std::optional<std::chrono::milliseconds> next_wait = {});
    // An end, and that.
    ends& fail(const execution_id& id, const execution_id& next, std::chrono::milliseconds delay = {}, std::optional<std::chrono::milliseconds> kept = {},
               std::optional<std::chrono::milliseconds> next_wait = {});
    ends& all(const std::vector<execution_id>& ids);
    // It is all that its extent ever had: what is said so has no from(), and stands in no commit with what has.
    ends& alone(const execution_id& id, fence f, execution_status status = execution_status::completed);
    // The last one has left notes or requests behind.
    ends& clean();
    // The last one's job has a breaker.
    ends& watched();
    // The last one has an ordering key, or is a node of a plan.
    ends& followed();
    // The last one failed, and so did its run: its dead letter is kept so long (nullopt: it gets none).
    ends& recorded(error_category category, std::optional<std::chrono::milliseconds> kept);

    storage::settle_batch& columns() { return columns_; }
    // Returns the extents that were lost.
    std::vector<execution_id> commit(storage::session& s, instance_id owner, bool again = false);

private:
    void add(const execution_id& id, execution_status status);
    void add_status(const execution_id& id, execution_status status);
    void add_failure(error_category category, std::optional<std::chrono::milliseconds> kept);

    int extents_ = 0;
    std::int32_t count_ = 0;
    execution_id last_{};
    storage::settle_batch columns_;
};

// Everything that can be claimed now, with one statement for each look, until nothing is left or `budget` executions are claimed.
std::vector<storage::claimed_extent> claim(storage::session& s, instance_id owner, int budget = 1'000'000);
// One extent is there to claim: it.
storage::claimed_extent claim_one(storage::session& s, instance_id owner, int budget = 1'000'000);
// The ids lo..hi.
std::vector<execution_id> ids_in(const execution_id& lo, const execution_id& hi);
int hand_back(storage::session& s, instance_id owner, const storage::claimed_extent& x);

}
