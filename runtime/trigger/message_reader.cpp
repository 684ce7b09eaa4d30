#include "runtime/trigger/message_reader.hpp"

#include "runtime/execute/crash_point.hpp"
#include "runtime/handlers/sql_address.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <set>
#include <spdlog/spdlog.h>

namespace rowlock::runtime {

namespace {

constexpr int most_sources = 64;                     // that an instance reads; a channel has a thread
constexpr int most_rows = 500;                       // of a table, in one transaction
constexpr int most_rounds = 20;                      // then it is the turn of the others
constexpr auto held_for = std::chrono::seconds{10};

// What was notified, as an event's payload: JSON where it is some, else text.
std::string payload_of(const std::string& text)
{
    const auto parsed = parse_json(text);
    if (parsed && !find_nul(*parsed)) return text;
    std::string quoted;
    append_string(quoted, text);
    return quoted;
}

}

message_reader::message_reader(options o, const identity& self, counters& counts, event_intake& events, std::function<void(std::size_t)> queued)
    : options_(std::move(o)), self_(self), counts_(counts), events_(events), queued_(std::move(queued))
{
    if (!options_.connections.empty()) thread_ = std::thread([this] { work(); });
}

void message_reader::stop()
{
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

bool message_reader::wait()
{
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, options_.poll, [this] { return stopping_; });
}

const std::string* message_reader::url_of(const storage::message_source& from) const
{
    const auto at = options_.connections.find(from.table ? from.table->connection : from.channel->connection);
    return at == options_.connections.end() ? nullptr : &at->second;
}

void message_reader::work()
{
    storage::session own(options_.session);
    while (wait()) {
        if (!self_.holds_lease()) continue;
        try {
            look(own);
        } catch (const std::exception& e) {
            // The services of the queue report that the database is away; here one only tries again.
            if (!storage::is_away(e) && !storage::is_passing(e)) spdlog::error("messages could not be read: {}", e.what());
            own.disconnect();
        }
    }
    channels_.clear();
    open_.clear();
}

std::vector<storage::message_source> message_reader::take(storage::session& own)
{
    const auto asked = steady_clock::now();
    auto mine = storage::take_message_sources(own, self_.id(), held_for, most_sources);
    held_until_ = asked + held_for;
    for (const auto& from : mine) {
        if (const auto at = channels_.find(from.trigger); at != channels_.end()) at->second.until->store(held_until_);
    }
    return mine;
}

void message_reader::look(storage::session& own)
{
    const auto mine = take(own);
    std::erase_if(noted_, [&mine](const auto& each) { return std::none_of(mine.begin(), mine.end(), [&](const auto& from) { return from.trigger == each.first; }); });
    hear(own, mine);
    for (const auto& from : mine) {
        if (!from.table && url_of(from) != nullptr) continue;
        auto at = from;
        for (int round = 0; round < most_rounds; ++round) {
            if (!read_table(own, at)) break;
            // The place has moved.
            bool found = false;
            for (auto& again : take(own)) {
                if (again.trigger != at.trigger) continue;
                at = std::move(again);
                found = true;
                break;
            }
            if (!found) break;
        }
    }
}

bool message_reader::read_table(storage::session& own, const storage::message_source& from)
{
    const auto* url = url_of(from);
    const auto& name = from.table ? from.table->connection : from.channel->connection;
    if (url == nullptr) {
        note(own, from, fmt::format("There is no connection {} on the instance {}: SQL_CONNECTIONS must have it.", name, self_.id().value));
        return false;
    }
    storage::message_rows rows;
    try {
        auto& open = open_[name];
        if (!open) open = storage::open_for_reading(*url);
        rows = storage::read_messages(*open, *from.table, from.place, most_rows);
    } catch (const std::exception& e) {
        open_.erase(name);
        note(own, from, sql_address(name, *url).scrubbed(e.what()));
        return false;
    }
    if (rows.payloads.empty()) {
        note_well(own, from);
        return false;
    }
    crash_point("messages.before_commit");
    std::optional<int> made;
    try {
        made = storage::take_messages(own, from, rows);
    } catch (const pqxx::sql_error& e) {
        if (storage::is_away(e) || storage::is_passing(e)) throw;
        // Something is wrong with these rows: that is the trouble of this table, and not of those that are read after it.
        note(own, from, fmt::format("What was read cannot be taken in: {}", e.what()));
        return false;
    }
    crash_point("messages.after_commit");
    if (!made) return false;
    counts_.events_taken.fetch_add(rows.payloads.size(), std::memory_order_relaxed);
    counts_.trigger_activations.fetch_add(static_cast<std::uint64_t>(*made), std::memory_order_relaxed);
    // Some may wait for a window: whoever flushes looks often enough.
    if (*made > 0) queued_(static_cast<std::size_t>(*made));
    noted_[from.trigger].clear();
    return true;
}

void message_reader::note(storage::session& own, const storage::message_source& from, const std::string& failure)
{
    auto& said = noted_[from.trigger];
    if (said == failure) return;
    said = failure;
    spdlog::warn("the source of trigger {} cannot be read: {}", from.trigger_id, failure);
    storage::note_message_failure(own, from.trigger, failure);
}

// What somebody else had to say of it, or this instance before it was started anew, is over.
void message_reader::note_well(storage::session& own, const storage::message_source& from)
{
    const auto [at, is_new] = noted_.try_emplace(from.trigger);
    if (!is_new && at->second.empty()) return;
    at->second.clear();
    storage::clear_message_failure(own, from.trigger);
}

void message_reader::tell_of(storage::session& own, const storage::message_source& from)
{
    const auto now = channels_.at(from.trigger).ears->how();
    const auto& name = from.channel->connection;
    if (now.listens) note_well(own, from);
    else if (!now.failure.empty()) note(own, from, sql_address(name, *url_of(from)).scrubbed(now.failure));
}

// While this thread waits for some table for long, its hold on the channels ends, and another instance hears them: what is heard here from then on is that one's.
void message_reader::hear(storage::session& own, const std::vector<storage::message_source>& mine)
{
    std::set<int> wanted;
    for (const auto& from : mine) {
        const auto* url = url_of(from);
        if (!from.channel || url == nullptr) continue;
        wanted.insert(from.trigger);
        auto& channel = channels_[from.trigger];
        // With what its events are said to come from, which a new version of the definition may change.
        const auto name = from.channel->connection + ' ' + from.channel->name + ' ' + from.source;
        if (channel.ears && channel.name == name) {
            tell_of(own, from);
            continue;
        }
        channel.ears.reset();
        noted_.erase(from.trigger);
        channel.name = name;
        channel.until = std::make_shared<std::atomic<deadline>>(held_until_);
        channel.ears = std::make_unique<storage::listener>(*url, from.channel->name, [this, from, until = channel.until](const std::string& payload) {
            if (steady_clock::now() < until->load()) heard(from, payload);
        });
    }
    std::erase_if(channels_, [&wanted](const auto& each) { return !wanted.contains(each.first); });
}

// On the listening thread. An empty payload is what the listener says when it has connected; a notification without one says nothing either.
void message_reader::heard(const storage::message_source& from, const std::string& payload)
{
    if (payload.empty()) return;
    new_event event{.tenant = from.tenant, .source = from.source, .payload = payload_of(payload)};
    event.origin = storage::event_origin::channel;
    event.submitter = "channel";
    event.trigger = from.trigger;
    if (!events_.post(std::move(event))) counts_.notifications_dropped.fetch_add(1, std::memory_order_relaxed);
}

}
