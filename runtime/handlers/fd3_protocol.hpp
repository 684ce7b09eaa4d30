#pragma once

#include "runtime/handlers/attempt.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rowlock::runtime {

// What a job says on file descriptor 3 and has to be acted on at once, in this order.
struct fd3_heartbeat {};
struct fd3_report_line {};                           // something about the result: the job goes on
struct fd3_progress {
    double fraction = 0;                             // 0..1
};
struct fd3_artifact {
    std::string name;                                // as the job gave it: not checked
};
struct fd3_nodes {
    boost::json::array nodes;                        // for the plan run that the job is a node of: not checked
};
struct fd3_complaint {
    std::string text;                                // about a line that was ignored, for the log
};
using fd3_event = std::variant<fd3_heartbeat, fd3_report_line, fd3_progress, checkpoint_data, fd3_artifact, fd3_nodes, fd3_complaint>;

// What a job says about its result. Later lines add to earlier ones; the last word on a figure counts.
struct fd3_report {
    boost::json::object outputs{};
    boost::json::object metrics{};
    std::optional<std::int64_t> records_processed{};
    std::optional<std::int64_t> records_failed{};
    std::string error_code{};
    std::string error_message{};
    bool over_limit = false;                         // outputs or metrics were dropped because together they were too large
};

struct fd3_limits {
    std::size_t line_bytes = 24u << 20;              // a checkpoint of 16 MiB in base64, and some room
    std::size_t report_bytes = 1u << 20;             // outputs and metrics together, as JSON text
    std::size_t complaints = 20;
};

// The lines of the protocol, as they arrive in pieces of any size. Each line is a JSON object; what is malformed or unknown is
// complained about and otherwise ignored, so a job that writes nonsense harms nobody but its log. Does no I/O.
class fd3_protocol {
public:
    explicit fd3_protocol(fd3_limits limits = {}) : limits_(limits) {}

    // Appends what the bytes ask for to `events`.
    void feed(std::string_view bytes, std::vector<fd3_event>& events);
    // The end of the stream: a last line without its newline counts.
    void finish(std::vector<fd3_event>& events);

    const fd3_report& report() const { return report_; }

private:
    void take_line(std::string_view line, std::vector<fd3_event>& events);
    void take_object(const boost::json::object& object, std::vector<fd3_event>& events);
    void take_checkpoint(const boost::json::object& object, std::vector<fd3_event>& events);
    bool merge(boost::json::object& into, const boost::json::value& from, std::string_view name, std::vector<fd3_event>& events);
    void complain(std::string text, std::vector<fd3_event>& events);

    fd3_limits limits_;
    fd3_report report_;
    std::string partial_;                            // the beginning of a line
    bool skipping_ = false;                          // within a line that is too long
    std::size_t complaints_ = 0;
    std::size_t report_bytes_ = 0;
};

}
