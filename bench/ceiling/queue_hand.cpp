#include "bench/ceiling/queue_hand.hpp"

#include "storage/job_store.hpp"
#include "storage/migrator.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <random>
#include <stdexcept>

namespace rowlock::bench {

namespace json = boost::json;

namespace {

constexpr std::chrono::milliseconds lease = std::chrono::hours{1};
constexpr std::chrono::milliseconds priority_age = std::chrono::seconds{60};
constexpr std::chrono::milliseconds key_ttl = std::chrono::hours{24};
// Of a next attempt: a minute, PLUS_MINUS a fifth. Nothing becomes due while the ends are measured.
constexpr std::int32_t shortest_delay_ms = 48'000;
constexpr std::int32_t longest_delay_ms = 72'000;
constexpr int lanes_a_look = 256;                     // as instances claim
constexpr std::uint64_t counter_bits = 38;            // of a block; see storage/model/ids.hpp

storage::session_options options_for(const std::string& url, storage::session_kind kind)
{
    return {.url = url, .kind = kind, .application_name = "rowlock-ceiling"};
}

}

std::vector<lane_of_job> make_jobs(const std::string& database_url, std::size_t count)
{
    if (const auto migrated = storage::migrate(database_url); !migrated) throw std::runtime_error(migrated.error().detail);
    storage::session s(options_for(database_url, storage::session_kind::general));
    storage::make_partitions(s, 1);
    const principal who{.name = "local", .granted = role::admin};
    const definition_defaults defaults;
    std::vector<lane_of_job> jobs;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string job_id = fmt::format("ceiling-{}", i);
        const auto definition = parse_job_definition(json::object{{"handler", json::object{{"type", "noop"}}}}, job_id, defaults);
        if (!definition) throw std::runtime_error(definition.error().detail);
        if (const auto put = storage::put(s, who, {.definition = *definition, .reason = "bench"}, false); !put) throw std::runtime_error(put.error().detail);
        const job_version_ptr made = storage::load_version(s, who.tenant, job_id, 0, defaults);
        jobs.push_back({made->job, made->lane, made->version});
    }
    return jobs;
}

queue_hand::queue_hand(const std::string& database_url, const std::vector<lane_of_job>& jobs, failing ends)
    : session_(options_for(database_url, storage::session_kind::queue)), jobs_(jobs),
      self_(storage::join_cluster(session_, {.lease = lease, .hostname = "ceiling"})), counter_(std::random_device{}()), random_(std::random_device{}()),
      failing_(ends)
{
}

queue_hand::~queue_hand()
{
    try {
        storage::leave_cluster(session_, self_);
    } catch (const std::exception&) {
        // The database is gone, and with it whoever could have waited.
    }
}

std::uint64_t queue_hand::next_block()
{
    return ((static_cast<std::uint64_t>(self_.value) & 0xffff) << counter_bits) | (counter_++ & ((std::uint64_t{1} << counter_bits) - 1));
}

void queue_hand::submit(std::size_t count, bool start)
{
    using std::chrono::milliseconds;
    const std::size_t extents = std::min(count, jobs_.size());
    const auto now = static_cast<std::uint64_t>(std::chrono::floor<milliseconds>(wall_clock()).time_since_epoch().count());
    const std::uint64_t block = next_block();
    submission_.clear();
    std::vector<owned_extent> laid_out;
    std::uint32_t ordinal = 0;
    for (std::size_t x = 0; x < extents; ++x) {
        const std::size_t n = count / extents + (x < count % extents ? 1 : 0);
        const lane_of_job& job = jobs_[next_job_++ % jobs_.size()];
        owned_extent& made = laid_out.emplace_back();
        for (std::size_t i = 0; i < n; ++i) {
            const execution_id id = execution_id::make(now, block, ordinal++);
            made.executions.push_back(id);
            submission_.id.add(id);
            submission_.extent.add(static_cast<std::int32_t>(x + 1));
            submission_.parameters.add(std::string_view{R"({"n": 1})"});
        }
        made.lo = made.executions.front();
        made.under = {1};
        submission_.lo.add(made.lo);
        submission_.hi.add(made.executions.back());
        submission_.n.add(static_cast<std::int32_t>(n));
        submission_.tenant.add(default_tenant.value);
        submission_.lane.add(job.lane.value);
        submission_.job.add(job.job.value);
        submission_.version.add(static_cast<std::int32_t>(job.version));
        submission_.priority.add(std::int16_t{0});
        submission_.trigger.add(static_cast<std::int16_t>(trigger_type::manual));
        submission_.eligible.add_null();
        submission_.submitter.add_null();
    }
    const auto reply = storage::submit(session_, start ? self_ : instance_id{}, start ? static_cast<int>(count) : 0, priority_age, key_ttl, submission_);
    for (const int k : reply.owned) owned_.push_back(std::move(laid_out[static_cast<std::size_t>(k) - 1]));
}

std::size_t queue_hand::claim(std::size_t budget)
{
    // Lanes are gone round, as instances do: a look that began in the middle and found nothing goes on at the front.
    for (bool at_front = false; !at_front;) {
        at_front = cursor_.value == 0;
        const auto answer = storage::claim_next(session_, self_, cursor_, lanes_a_look, static_cast<int>(budget));
        cursor_ = answer.next_after;
        if (answer.extents.empty()) {
            at_front = at_front && cursor_.value == 0;
            continue;
        }
        const std::size_t first = owned_.size();
        for (const auto& x : answer.extents) owned_.push_back({x.lo, x.fence, {}});
        const auto read = storage::read_executions(session_, answer.extents);
        for (const auto& e : read) owned_[first + static_cast<std::size_t>(e.extent)].executions.push_back(e.id);
        return read.size();
    }
    return 0;
}

std::size_t queue_hand::settle(std::size_t most)
{
    if (owned_.empty()) return 0;
    const auto now = static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(wall_clock()).time_since_epoch().count());
    const std::uint64_t block = next_block();
    ends_.clear();
    std::size_t n = 0;
    std::uint32_t nexts = 0;
    std::int32_t extent = 0;
    // In ascending order, and those that are alone by their extents only: as instances do it.
    const auto end = owned_.begin() + static_cast<std::ptrdiff_t>(std::min(most, owned_.size()));
    std::sort(owned_.begin(), end, [](const auto& a, const auto& b) { return a.lo < b.lo; });
    const bool alone = std::all_of(owned_.begin(), end, [this](const auto& x) { return x.executions.size() == 1 && x.under == owned_.front().under; });
    while (!owned_.empty() && n < most) {
        const owned_extent& x = owned_.front();
        ends_.lo.add(x.lo);
        ends_.fence.add(x.under.value);
        ++extent;
        for (const execution_id& id : x.executions) {
            if (!alone) {
                ends_.id.add(id);
                ends_.extent.add(extent);
            }
            ends_.age_us.add(std::int32_t{0});
            due_ += failing_.share;
            if (due_ < 1) {
                add_success();
            } else {
                due_ -= 1;
                add_failure(execution_id::make(now, block, nexts++));
            }
            ++n;
        }
        owned_.pop_front();
    }
    const auto start = std::chrono::steady_clock::now();
    const auto lost = storage::settle(session_, self_, priority_age, false, ends_).lost;
    settling_ += std::chrono::steady_clock::now() - start;
    if (!lost.empty()) throw std::runtime_error(fmt::format("{} extents were lost, which nobody else can have taken", lost.size()));
    return n;
}

void queue_hand::add_success()
{
    ends_.status.add(static_cast<std::int16_t>(execution_status::completed));
    if (failing_.share > 0) add_result({}, {});
}

void queue_hand::add_failure(const execution_id& next)
{
    ++failed_;
    ends_.status.add(static_cast<std::int16_t>(execution_status::failed));
    add_result("HTTP_503", "The target answered 503 Service Unavailable.");
    if (failing_.dead) {
        ends_.next.add_null();
        ends_.next_ms.add_null();
    } else {
        ends_.next.add(next);
        ends_.next_ms.add(std::uniform_int_distribution{shortest_delay_ms, longest_delay_ms}(random_));
    }
    ends_.failed_at.add(ends_.status.size());
    ends_.category.add(static_cast<std::int16_t>(error_category::transient));
    ends_.details.add_null();
    ends_.kept.add(static_cast<std::int64_t>(storage::dead_letters_kept.count()));
}

void queue_hand::add_result(std::string_view code, std::string_view message)
{
    for (storage::array* none : {&ends_.exit_code, &ends_.records_processed, &ends_.records_failed, &ends_.metrics, &ends_.outputs, &ends_.termination, &ends_.actor}) {
        none->add_null();
    }
    ends_.error_code.add_text_or_null(code);
    ends_.error_message.add_text_or_null(message);
}

}
