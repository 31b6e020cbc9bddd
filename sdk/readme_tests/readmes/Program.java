import static org.springframework.test.web.servlet.request.MockMvcRequestBuilders.post;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.gson.Gson;
import com.winnerr.webhooks.Event;
import com.winnerr.webhooks.Webhook;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.springframework.mock.web.MockHttpServletRequest;
import org.springframework.mock.web.MockHttpServletResponse;
import org.springframework.test.web.servlet.setup.MockMvcBuilders;

/** Runs the blocks of the README: each line says what came of one. */
public class Program {
    static class Deal {
        public String id;
        public String name;
    }

    public static void main(String[] args) throws Exception {
        byte[] body = "{\"event\":\"deal.closed_won\",\"timestamp\":\"2025-01-15T14:23:00Z\",\"organizationId\":\"o\",\"data\":{\"id\":\"deal_1\",\"name\":\"Zoë\"}}".getBytes("UTF-8");
        Webhook sender = Webhook.of(System.getenv("WINNERR_WEBHOOK_SECRET"));
        for (Webhook signer : new Webhook[] {sender, Webhook.of("another secret")}) {
            Map<String, List<String>> headers = signer.sign(body);
            var toSpring = post("/hooks/winnerr").content(body);
            headers.forEach((name, values) -> toSpring.header(name, values.toArray()));
            var answer = MockMvcBuilders.standaloneSetup(new WinnerrController()).build().perform(toSpring);
            System.out.println("Spring " + answer.andReturn().getResponse().getStatus());
            var toServlet = new MockHttpServletRequest("POST", "/hooks/winnerr");
            toServlet.setContent(body);
            headers.forEach((name, values) -> toServlet.addHeader(name, values.get(0)));
            var response = new MockHttpServletResponse();
            new WinnerrServlet().service(toServlet, response);
            System.out.println("Servlet " + response.getStatus());
        }
        Event event = sender.verify(body, sender.sign(body));
        System.out.println("Jackson " + jackson(event) + ", Gson " + gson(event));
        System.out.println("Settings " + (settings("a new secret", "an old secret") != null));
    }

    static String jackson(Event event) throws Exception {
        var objectMapper = new ObjectMapper().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        // JACKSON
        return deal.name;
    }

    static String gson(Event event) {
        var gson = new Gson();
        // GSON
        return deal.name;
    }

    static Webhook settings(String newSecret, String oldSecret) {
        // SETTINGS
        return webhook;
    }
}
