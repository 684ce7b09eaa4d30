#pragma once

#include "tests/pg/queue/stress_world.hpp"

#include "runtime/limits/slot_keeper.hpp"

#include <deque>
#include <set>

namespace rowlock::test {

// An instance that does at random what instances do, and what goes wrong with them. It keeps a log of what it was told, which
// the end of the run compares with what the database holds.
class stress_worker {
public:
    struct handed_out {
        execution_id id;
        fence under;
        instance_id to;
    };
    struct log {
        std::vector<execution_id> accepted;                      // submissions that were acknowledged
        std::vector<std::pair<std::string, execution_id>> keys;  // what a key named
        std::vector<handed_out> handed;
        std::vector<handed_out> ended;                           // the settle said that it counts
        std::vector<handed_out> lost;                            // the settle said that it does not
        std::vector<execution_id> cancelled;                     // a cancel was accepted
        std::map<std::string, int> counts;
        std::vector<std::string> failures;
    };

    stress_worker(const stress_world& world, int number);

    // Until it is over. Never throws.
    void run(std::stop_token over);
    const log& told() const { return log_; }

private:
    struct owned {
        std::map<execution_id, int> attempts;                    // unfinished: id -> attempt number
        bool alone = false;                                      // its extent has never had another
    };
    using owned_key = std::pair<execution_id, fence>;
    struct planned_settle {
        ends columns;
        std::vector<std::pair<owned_key, execution_id>> members;
    };

    void step(const std::stop_token& over);
    void join();
    void renew();
    void adopt();
    void note(std::string_view what) { ++log_.counts[std::string(what)]; }

    void submit(bool eager);
    void claim_some();
    std::vector<storage::claimed_extent> claim_shares(int budget);
    void take(const owned_key& key, const std::map<execution_id, int>& attempts, bool alone);
    std::optional<planned_settle> plan_settle(double share);
    void settle_now(planned_settle& plan);
    void account(const planned_settle& plan, const std::vector<execution_id>& lost);
    void settle_some(double share);
    void settle_slowly(const std::stop_token& over);
    void claim_slowly(const std::stop_token& over);
    void cancel_some();
    void hand_back_some();
    void take_over();
    void drain();
    void die();
    void freeze(const std::stop_token& over);
    void give_up_slots();

    const stress_world& world_;
    dice dice_;
    storage::session session_;
    instance_id me_{};
    std::chrono::steady_clock::time_point renewed_{};
    std::map<owned_key, owned> owned_;
    std::set<owned_key> doubtful_;                               // a settle of these may have been committed
    std::set<execution_id> to_cancel_;
    std::deque<execution_id> known_;
    runtime::ledger ledger_;                                     // of the slots of limits that it keeps, however small these are
    runtime::slot_keeper keeper_{ledger_, 1};
    log log_;
};

}
