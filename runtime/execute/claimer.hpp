#pragma once

#include "runtime/catalog/catalog.hpp"
#include "runtime/execute/executor.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/execute/lane_floors.hpp"
#include "runtime/execute/ledger.hpp"
#include "runtime/execute/slots.hpp"
#include "runtime/limits/fair_share.hpp"
#include "runtime/limits/slot_keeper.hpp"
#include "runtime/limits/waiting_tenants.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace rowlock::runtime {

// Claims queued work for the free slots, on a database thread of its own. Works only when it was told that there may be
// something, and goes on while it finds something. While looks from the front of the lanes are dear (see lane_floors) they get a
// small part of its time, and the claims between them go by what the last one saw. Where several tenants have work they share (fair_share): all lanes are
// looked at every now and then, page by page, and the claims between go by that; a page of which everything can be started is claimed as it is seen.
class claimer {
public:
    struct listeners {
        std::function<void()> handed_back{};         // something that this instance may not go on with is there for others
        std::function<void()> slots_given_up{};      // slots of limits that it kept are free for all
    };

    // share_fairly: false: the best ranks first, whosever they are.
    claimer(storage::session_options session, identity& self, slots& free, ledger& owned, lane_floors& floors, waiting_tenants& waiting, catalog& jobs, executor& runs, counters& counts,
            bool share_fairly, listeners tell);
    ~claimer() { stop(); }

    // There may be work. Any thread.
    void wake();
    // There are free slots again: what was known to wait is claimed. Any thread.
    void slots_freed();
    // A statement that may have given this instance something has been given up without its answer: what it took is looked for as soon
    // as the database answers again, and handed back. Any thread.
    void doubt();
    // Has it not looked at all lanes lately, although there are free slots? Any thread.
    bool wants_to_know() const;
    // Did the last look at all lanes find some in which something waits? Any thread.
    bool knows_of_more() const { return knows_of_more_.load(std::memory_order_relaxed); }
    void stop();

private:
    enum class found : std::uint8_t { something, nothing, nothing_near };   // nothing_near: the next look from the front is still to come

    void work(storage::session_options options);
    // What there is to do next. Waits for it.
    enum class task : std::uint8_t { stop, claim, resolve_doubt, give_up_slots };
    task next_task(found last);
    void resolve_doubt(storage::session& s);
    // Slots that are kept for nothing.
    void give_up(storage::session& s, const std::vector<storage::kept_slots>& idle);
    found claim_once(storage::session& s);
    // Something waits: perhaps for slots that others keep.
    void want_slots(storage::session& s, instance_id owner);
    // Looks from the front, at some of the lanes, the next at the next.
    std::vector<storage::claimed_extent> look(storage::session& s, instance_id owner, int budget);
    struct some {
        std::vector<storage::claimed_extent> extents{};
        found otherwise = found::something;          // where there are none
    };
    // The best ranks; nothing, where it finds that several tenants have work.
    some claim_best(storage::session& s, instance_id owner, int budget);
    // While several tenants have work.
    some claim_fairly(storage::session& s, instance_id owner, int budget);
    // It is looked on until enough tenants are known to claim for, or all lanes have been seen.
    bool looks_on() const;
    // Looks at the next lanes. Each instance begins elsewhere, so that they seldom go for the same. Claims what need not be shared out.
    std::vector<storage::claimed_extent> look_at_page(storage::session& s, instance_id owner, int budget);
    void end_fair_round();
    void end_round();
    void start(storage::session& s, instance_id owner, const std::vector<storage::claimed_extent>& extents);
    std::vector<job_version_ptr> definitions_of(storage::session& s, const std::vector<storage::claimed_execution>& read);
    std::vector<assignment> read_work(storage::session& s, instance_id owner, const std::vector<storage::claimed_extent>& extents);

    identity& self_;
    slots& free_;
    ledger& owned_;
    catalog& jobs_;
    executor& runs_;
    counters& counts_;
    lane_floors& floors_;
    waiting_tenants& waiting_;
    const bool share_fairly_;
    listeners tell_;
    slot_keeper keeper_;
    bool sharing_ = false;                           // several tenants have work, or had it at the last look
    fair_share shares_;
    std::unordered_map<lane_id, tenant_key> tenants_;    // whose lanes are
    lane_id cursor_{0};                              // of the round of looks that is under way; 0: the next begins one
    struct fair_round {
        storage::lane_span next{};                   // which lanes are to be seen next
        bool shared_out = false;                     // when it began somebody was waiting for his turn
        deadline next_page{};                        // where enough tenants are known meanwhile
        steady_clock::duration took{};               // for what was not claimed on sight
        bool claimed = false;
        std::optional<tenant_key> first{};           // of those that have work that may start
    };
    std::optional<fair_round> round_;                // of looks at the lanes of all tenants, that is under way
    std::vector<storage::seen_lane> seen_;           // in this round
    std::chrono::microseconds looked_{0};            // what this round has cost so far
    std::chrono::microseconds last_page_{0};         // what the last look at some of the lanes of all tenants has cost
    std::optional<timestamp> round_began_;
    deadline next_look_{};                           // from the front
    deadline look_when_taken_{};                     // where tenants share and all that was seen is taken
    deadline next_want_{};                           // when others are to hear again that slots lack here
    std::optional<deadline> next_start_;             // when a rate that is used up lets something start again
    std::atomic<steady_clock::rep> last_round_{0};   // the end of the last one
    std::atomic<bool> knows_of_more_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool told_ = false;                              // there may be work
    bool owes_look_ = false;                         // nothing was found near the floors
    bool in_doubt_ = false;
    std::optional<deadline> doubts_again_;           // where strays are left, once more
    bool keeps_slots_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}
