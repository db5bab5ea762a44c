// DatagramClient HOST PORT TEXT... - sends each TEXT as a datagram (listen = udp:PORT), prints the
// answer to each. Connected, so that nobody else's datagrams count as answers.
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;

public class DatagramClient {
    public static void main(String[] words) throws Exception {
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.setSoTimeout(10_000);
            socket.connect(InetAddress.getByName(words[0]), Integer.parseInt(words[1]));
            for (int i = 2; i < words.length; i++) {
                byte[] text = words[i].getBytes(StandardCharsets.UTF_8);
                socket.send(new DatagramPacket(text, text.length));
                // One byte more than fits: a longer answer is cut, and that must be seen.
                DatagramPacket answer = new DatagramPacket(new byte[65_508], 65_508);
                socket.receive(answer);
                System.out.write(answer.getData(), 0, answer.getLength());
                System.out.println();
            }
        }
    }
}
