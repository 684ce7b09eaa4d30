#pragma once

#include "runtime/async/database.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/catalog/catalog.hpp"
#include "runtime/execute/claimer.hpp"
#include "runtime/execute/executor.hpp"
#include "runtime/execute/identity.hpp"
#include "runtime/execute/ledger.hpp"
#include "runtime/observe/counters.hpp"
#include "storage/queue_store.hpp"
#include "storage/settings_store.hpp"

#include <atomic>
#include <string>

namespace rowlock::runtime {

// The life of an instance among the others: its lease, the tick that finds what there is to do, the takeover of what the dead
// left behind, and upkeep. Coroutines on one core, over a database session of their own, so that nothing delays the lease.
class membership {
public:
    struct options {
        storage::instance_row row;
        std::chrono::milliseconds poll{1000};
        std::chrono::milliseconds priority_age{1000};
        int partition_days_ahead = 3;
        bool sole_instance = false;
        std::chrono::milliseconds dead_letters_kept = storage::dead_letters_kept;    // where the job does not say
        std::function<void(const std::vector<execution_id>& runs)> runs_ended{};     // by no instance: they waited too long. On the home core
        std::function<void()> plans_left{};          // something is left to do for plans, or may be. On the home core
        milliseconds between_plans_looks{5000};      // some of it shows in no tick
        std::vector<storage::told_setting> settings{};   // what functions in the database must know
        std::function<void(bool draining, bool uneven, deadline asked)> heard{};   // what each tick says of these (storage::tick_answer), and when it was asked. On the home core
    };

    membership(options o, core& home, database& control, identity& self, ledger& owned, catalog& jobs, executor& runs, claimer& claims, counters& counts);

    // Joins and starts the services. On the home core.
    awaitable<result<void>> start();
    // Ends the services; the lease is kept until leave(). On the home core.
    awaitable<void> stop();
    // Hands back everything that this instance owns. On the home core, when nothing runs any more. Errors: database_unavailable.
    awaitable<result<int>> hand_back(std::string reason);
    // Hands back what is left, and leaves. On the home core. Errors: database_unavailable: the lease will run out instead.
    awaitable<result<int>> leave(std::string reason);

    // Something may have changed: tick now. Any thread.
    void poke();
    // Tick no later than in `delay`. Any thread.
    void poke_in(milliseconds delay);
    // Tells the other instances that there is work that this one cannot start itself, or something else to look at. At most one
    // NOTIFY every 5 ms. Any thread.
    void announce();
    // The same where it may be in vain, as nobody can say whether others could start it: at most one every 50 ms. Any thread.
    void announce_softly();

    // How long ago the database last answered; negative: it never did.
    steady_clock::duration last_contact_ago() const;

private:
    awaitable<result<void>> join();
    awaitable<void> keep_lease();
    awaitable<void> keep_ticking();
    awaitable<void> keep_up();
    awaitable<void> send_announcement();
    awaitable<void> send_soft_announcement();
    awaitable<void> notify_others();
    awaitable<void> act_on(storage::tick_answer tick, deadline asked);
    awaitable<void> take_over();
    awaitable<void> expire();
    awaitable<void> return_strangers();
    awaitable<void> rejoin();
    void contact(bool made, deadline asked);
    // For so long the database may be silent before anybody's lease can have run out for it: leases are renewed at a third.
    milliseconds silence_limit() const;
    // Has contact with the database been unbroken for one lease, so that a lease that has run out shows a dead instance?
    bool may_declare() const;

    options options_;
    core& home_;
    database& control_;
    identity& self_;
    ledger& owned_;
    catalog& jobs_;
    executor& runs_;
    claimer& claims_;
    counters& counts_;
    task_group services_;
    steady_timer next_tick_;
    bool tick_again_ = false;
    bool announcing_ = false;
    bool announcing_softly_ = false;
    deadline softly_asked_{};                        // the last time
    bool stopped_ = false;                           // nothing is spawned any more
    deadline last_announcement_{};
    std::int64_t seen_changes_ = -1;
    std::optional<deadline> contact_since_;          // unbroken since
    std::atomic<steady_clock::rep> last_contact_{0};
    deadline next_plans_look_{};                     // on the home core
    std::optional<deadline> next_start_;             // when a rate that is used up lets something start again
};

}
