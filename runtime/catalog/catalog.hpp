#pragma once

#include "runtime/async/database.hpp"
#include "storage/job_store.hpp"
#include "storage/model/job.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>
#include <unordered_map>

namespace rowlock::runtime {

// The definitions in use, in memory: submissions are checked and executions are run without asking the database. Follows
// changes made elsewhere within a second (see tick.hpp), and its own at once. Any thread.
class catalog {
public:
    catalog(database& db, definition_defaults defaults) : db_(db), defaults_(std::move(defaults)) {}

    // The current version, or the given one (version > 0). Asks the database for what is not in memory. Errors: job_not_found,
    // job_version_not_found, database_unavailable.
    awaitable<result<job_version_ptr>> find(tenant_key tenant, std::string job_id, int version = 0);
    // What is in memory; nullptr where the database has to be asked. For hot paths, before find().
    job_version_ptr cached(tenant_key tenant, std::string_view job_id) const;
    job_version_ptr cached(job_key job, int version) const;
    // The version that an execution was submitted with.
    awaitable<result<job_version_ptr>> load(job_key job, int version);
    // The same on a database thread. Throws what the session throws; history names only versions that exist.
    job_version_ptr load_now(storage::session& s, job_key job, int version);
    // Many by one statement, in any order.
    std::vector<job_version_ptr> load_now(storage::session& s, const std::vector<std::pair<job_key, int>>& wanted);

    // Changes, as in job_store.hpp; on this instance they hold from when these return.
    awaitable<result<storage::put_job>> put(principal who, storage::job_change change, bool dry_run);
    awaitable<result<std::vector<storage::put_job>>> put_all(principal who, std::vector<storage::job_change> changes, bool dry_run);
    awaitable<result<storage::job_document>> set_enabled(principal who, std::string job_id, bool enabled, std::string reason, std::string if_match);
    awaitable<result<void>> remove(principal who, std::string job_id, std::string reason, std::string if_match);

    const definition_defaults& defaults() const { return defaults_; }

    // Definitions that were refused here because they close a cycle, and upstreams that definitions stored here named and that there were not.
    struct dependency_figures {
        std::atomic<std::uint64_t> cycles{0};
        std::atomic<std::uint64_t> missing{0};
    };
    const dependency_figures& figures() const { return figures_; }

    // Forgets what is known of these jobs, or of all; the next use asks the database.
    void forget(const std::vector<job_key>& jobs);
    void forget_all();

private:
    struct name_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    using by_name = std::unordered_map<std::string, job_version_ptr, name_hash, std::equal_to<>>;

    // `read_at`: the epoch before it was read. What was read before a change is no longer known to be the current version.
    void remember(const job_version_ptr& version, std::uint64_t read_at);
    std::uint64_t epoch() const;
    void forget_name(tenant_key tenant, const std::string& job_id);
    void count(const storage::put_job& stored);
    void count(const error& why);

    database& db_;
    definition_defaults defaults_;
    dependency_figures figures_;
    mutable std::shared_mutex mutex_;
    std::uint64_t epoch_ = 0;                        // grows with every change that was heard of
    std::unordered_map<tenant_key, by_name> current_;
    std::map<std::pair<job_key, int>, job_version_ptr> versions_;
};

}
