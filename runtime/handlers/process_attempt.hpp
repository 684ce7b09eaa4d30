#pragma once

#include "runtime/async/task_group.hpp"
#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/fd3_protocol.hpp"
#include "runtime/handlers/readable.hpp"
#include "runtime/handlers/spawn.hpp"

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <exception>
#include <filesystem>
#include <string>

namespace rowlock::runtime {

// What a running program is watched by.
struct process_watch {
    child program;
    file_descriptor out;                             // reading ends
    file_descriptor err;
    file_descriptor protocol;
    std::filesystem::path run_directory;
    std::int64_t output_limit = 0;                   // bytes of stdout and stderr together that are kept
    milliseconds grace{0};
    bool cpu_limited = false;
};

// One program while it runs: keeps what it writes, does what it asks for on descriptor 3, stops it when the attempt is to
// stop, and leaves nothing of its process group behind. Used on one core.
class process_attempt {
public:
    process_attempt(io_executor executor, attempt& a, process_watch watch);

    // Returns when the program has ended and all that it wrote is recorded. Throws what the records throw, after killing the
    // group; and operation_aborted when the caller is cancelled, after killing the group as well.
    awaitable<outcome> run();

private:
    using descriptor = boost::asio::posix::basic_stream_descriptor<io_executor>;

    awaitable<void> keep_output(descriptor& from, log_stream stream);
    awaitable<void> keep_piece(std::string_view bytes, log_stream stream, readable_stream& text);
    awaitable<void> follow_protocol();
    awaitable<void> act(fd3_event event);
    awaitable<void> keep_artifact(std::string name);
    awaitable<void> add_nodes(boost::json::array nodes);
    awaitable<void> note(std::string text);
    awaitable<void> enforce_grace();
    awaitable<bool> next_piece(descriptor& from, std::string& buffer, std::size_t& after_exit);
    void stop();
    void kill_now();
    void records_failed();
    outcome concluded(exit_status how) const;
    failure why_failed(exit_status how) const;

    attempt& attempt_;
    child program_;
    descriptor exit_;
    descriptor out_;
    descriptor err_;
    descriptor protocol_pipe_;
    std::filesystem::path run_directory_;
    std::int64_t output_left_;
    std::int64_t output_limit_;
    milliseconds grace_;
    bool cpu_limited_;

    task_group readers_;
    steady_timer grace_timer_;
    fd3_protocol protocol_;
    std::string last_words_;                         // the end of stderr, for the error message
    std::string conflict_;                           // about an artifact that was recorded before with other contents
    failure unadded_;                                // why nodes could not be added to the plan
    std::exception_ptr broken_;                      // why the records could not be kept
    bool output_cut_ = false;
    bool forced_ = false;
    bool exited_ = false;
};

}
